DROP TABLE limit_notification;
