"""From a form to IPs that stand by with good DNS."""
