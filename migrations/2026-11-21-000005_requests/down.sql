DROP TABLE deadline, affected_sla, request_event, request;
