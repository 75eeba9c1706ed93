"""The signals that start one pipeline after another."""

from airflow.sdk import Asset

ACCOUNTING = Asset("email-engine-accounting")
ALLOWANCES = Asset("email-engine-allowances")
FLEET = Asset("email-engine-fleet")
LISTINGS = Asset("email-engine-listings")
