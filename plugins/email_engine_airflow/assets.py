"""The three signals that start one pipeline after another."""

from airflow.sdk import Asset

ALLOWANCES = Asset("email-engine-allowances")
FLEET = Asset("email-engine-fleet")
LISTINGS = Asset("email-engine-listings")
