"""A seat belt for those who may do everything: even the owner's UPDATE and DELETE fail unless the trigger is removed first.

The application's role is held back by privileges, not by this. TRUNCATE has no trigger: the tests flush as the owner.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION audit_event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The audit record is append-only: % is refused.', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_event_refuse();
"""
BACKWARD = "DROP TRIGGER audit_event_append_only ON audit_event; DROP FUNCTION audit_event_refuse();"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
