"""A configuration as people run it: user guide 5.0, and what operators put into theirs."""

REALISTIC = """\
postmaster ops@example.com
smtp-listener 10.0.0.5:2525
smtp-listener 192.0.2.11:25
relay-domain fbl.example.com
run-as-root no
log-file /var/log/pmta/pmta.log
<spool /var/spool/pmta>
</spool>
http-access 127.0.0.1 admin
<smtp-user app>
 password REPLACE
 source app-auth
</smtp-user>
<source app-auth>
 smtp-service yes
 require-auth yes
 always-allow-relaying yes
 process-x-virtual-mta yes
 process-x-job yes
 default-virtual-mta pool-a
</source>
<source 0/0>
 always-allow-relaying no
 allow-unencrypted-plain-auth no
</source>
<virtual-mta vmta-1>
 smtp-source-host 192.0.2.11 mail1.example.com
 domain-key s1,example.com,/etc/pmta/dkim/s1.example.com.pem
 max-smtp-msg-rate 50/d  # whole IP
 max-smtp-out 10
 <domain *>
 dkim-sign yes
 max-msg-rate 20/h  # per domain
 </domain>
</virtual-mta>
<virtual-mta-pool pool-a>
 virtual-mta vmta-1
</virtual-mta-pool>
<mx-rollup-list>
 mx *.olc.protection.outlook.com outlook.rollup
</mx-rollup-list>
<domain outlook.rollup>
 smtp-hosts lookup-mx:outlook.com
 max-smtp-out 10
 max-msg-rate 250/h
 backoff-max-msg-rate 30/h
 backoff-retry-after 6h
 smtp-421-means-mx-unavailable yes
</domain>
<domain *>
 max-smtp-out 2
 max-msg-per-connection 100
 retry-after 10m
 bounce-after 24h
 smtp-pattern-list blocking-errors
 backoff-max-msg-rate 1/m
 backoff-to-normal-after 1h
 use-starttls yes
</domain>
<smtp-pattern-list blocking-errors>
 reply /\\[TSS?0[0-9]\\]/ mode=backoff
 reply /exceeded the rate limit/ mode=backoff
 reply /blocked.*spamhaus/ mode=backoff,disable-source-ip,reenable-after=6h
</smtp-pattern-list>
<acct-file /var/log/pmta/acct.csv>
 records d,b,t
 record-fields d *,header_Message-Id
 record-fields b *,header_Message-Id
 record-fields t *,header_Message-Id
 move-to /var/log/pmta/done
 move-interval 5m
</acct-file>
<acct-file /var/log/pmta/fbl.csv>
 records f
 record-fields f *,header_Message-Id
 map-header-to-field f header_X-HmXmrOriginalRecipient rcpt
</acct-file>
<feedback-loop-processor>
 <address-list>
 address /^fbl@fbl\\.example\\.com$/
 </address-list>
</feedback-loop-processor>
"""
