DROP TABLE offering_promise, deadline, affected_sla, request_event, request;
