DROP TABLE time_entry, sla_limit, project;
