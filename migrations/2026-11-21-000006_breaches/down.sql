DROP TABLE breach_log_head, breach_log, breach_pending, breach_key, breach;
