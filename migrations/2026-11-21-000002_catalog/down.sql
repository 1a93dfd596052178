DROP TABLE service_instance_user, service_instance_relation, service_instance, standard_service_request, offering_target,
  service_offering, service, calendar_holiday, calendar_hours, calendar;
