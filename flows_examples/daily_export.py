"""
Yesterday's status rows into the warehouse, every morning in Vietnam, and what was not final on the days before.

    python daily_export.py
"""

from prefect.schedules import Cron

from esms_connectors.prefect import daily_sent_messages_export

if __name__ == "__main__":
    daily_sent_messages_export.serve(
        name="morning", schedule=Cron("30 5 * * *", timezone="Asia/Ho_Chi_Minh"), parameters={"follow_up_days": 14}
    )
