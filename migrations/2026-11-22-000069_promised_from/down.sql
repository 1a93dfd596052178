DROP TRIGGER offering_promised ON offering_promise;
DROP FUNCTION offering_promised();
