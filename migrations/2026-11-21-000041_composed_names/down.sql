-- How names were written before is not kept, and they are good names for those who knew no normal form, too.
SELECT;
