-- Who claims a login waits here for whoever claims the same one in another tree at the same time. A row, since locks that are kept
-- to the end of a transaction are few, and shared by all. Of the login it holds no more than its hash.
CREATE TABLE login_claim (login_hash bigint PRIMARY KEY);
