"""From a range of addresses to IPs that stand by: what is asked, where it fits, and the lines it adds to the fleet file."""
