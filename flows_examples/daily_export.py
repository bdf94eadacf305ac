"""
Every morning in Vietnam: load yesterday's status rows, and reload those of earlier days that were not final.

    python daily_export.py
"""

from prefect.schedules import Cron

from esms_connectors.prefect import daily_sent_messages_export

if __name__ == "__main__":
    daily_sent_messages_export.serve(
        name="morning", schedule=Cron("30 5 * * *", timezone="Asia/Ho_Chi_Minh"), parameters={"follow_up_days": 14}
    )
