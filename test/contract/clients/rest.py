"""simple-salesforce, unchanged, against the Salesforce twin: what a Python program does with an org over REST.

The client speaks https and nothing else; the twin has no certificate. An adapter of `requests` takes the encryption off.
"""

import os
import sys

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

base = os.environ["SALESFORCE_LOGIN_URL"]


class Plain(HTTPAdapter):
    def send(self, request, **options):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **options)


def check(what, fact):
    print(f"{'ok  ' if fact else 'FAIL'} {what}")
    if not fact:
        sys.exit(1)


def refused(what, kind, code, call):
    try:
        call()
    except kind as error:
        said = [one["errorCode"] for one in error.content]
        check(f"{what}: {kind.__name__} {said}", said == [code])
        return
    check(what, False)


token = requests.post(
    f"{base}/services/oauth2/token",
    data={
        "grant_type": "client_credentials",
        "client_id": os.environ["SALESFORCE_CLIENT_ID"],
        "client_secret": os.environ["SALESFORCE_CLIENT_SECRET"],
    },
    timeout=10,
).json()


def client(session_id):
    session = requests.Session()
    session.mount("https://", Plain())
    return Salesforce(instance_url=token["instance_url"], session_id=session_id, session=session, version="67.0")


sf = client(token["access_token"])

check("describes the org", any(one["name"] == "Contact" for one in sf.describe()["sobjects"]))
check("describes an object", any(field["name"] == "LastName" for field in sf.Contact.describe()["fields"]))
account = sf.Account.create({"Name": "Orchard"})["id"]
made = sf.Contact.create({"LastName": "Ilves", "Email": "mara@orchard.example", "AccountId": account})
check("creates", made["success"] and len(made["id"]) == 18)
mara = made["id"]
check("gets by id", sf.Contact.get(mara)["Email"] == "mara@orchard.example")
check("updates", sf.Contact.update(mara, {"Title": "CTO", "Phone": None}) == 204)
check("upserts what is new", sf.Contact.upsert("Tributary_Id__c/c-1", {"LastName": "O'Neill"}) == 201)
check("upserts what is there", sf.Contact.upsert("Tributary_Id__c/c-1", {"Title": "Pilot"}) in (200, 204))
check("gets by an external id", sf.Contact.get_by_custom_id("Tributary_Id__c", "c-1")["Title"] == "Pilot")
found = sf.query("SELECT Id, Account.Name FROM Contact WHERE LastName = 'Ilves'")
check("queries, a parent's field with it", found["records"][0]["Account"]["Name"] == "Orchard")
check("finds an apostrophe", sf.query("SELECT Id FROM Contact WHERE LastName = 'O\\'Neill'")["totalSize"] == 1)
rows = [{"attributes": {"type": "Contact"}, "LastName": f"P{n}"} for n in range(200)]
for _ in range(11):
    sf.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
everybody = sf.query_all("SELECT Id FROM Contact")
check("pages through 2,202 rows", len(everybody["records"]) == everybody["totalSize"] == 2202)
check("deletes", sf.Contact.delete(mara) == 204)
gone = sf.query("SELECT Id FROM Contact WHERE IsDeleted = true", include_deleted=True)
check("queries what was deleted", [row["Id"] for row in gone["records"]] == [mara])
check("reads the use of the day", sf.api_usage["api-usage"].used > 20)

refused("a value too long", SalesforceMalformedRequest, "STRING_TOO_LONG", lambda: sf.Contact.create({"LastName": "x" * 200}))
refused("a field that is not there", SalesforceMalformedRequest, "INVALID_FIELD", lambda: sf.Contact.create({"LastName": "a", "No__c": 1}))
refused("SOQL that is none", SalesforceMalformedRequest, "MALFORMED_QUERY", lambda: sf.query("SELECT FROM Contact"))
refused("a record that is gone", SalesforceResourceNotFound, "ENTITY_IS_DELETED", lambda: sf.Contact.get(mara))
refused("a token that is none", SalesforceExpiredSession, "INVALID_SESSION_ID", lambda: client("00Dnone").query("SELECT Id FROM Contact"))
