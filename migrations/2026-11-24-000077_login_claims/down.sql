DROP TABLE login_claim;
