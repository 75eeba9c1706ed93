from sqlalchemy import text


def test_a_fresh_database_answers(store):
    with store.session("*") as conn:
        assert conn.execute(text("select count(*) from email_engine.tenants")).scalar_one() == 0
