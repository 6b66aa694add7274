"""Salesforce's own pubsub_api.proto with grpcio and fastavro, as its Python quick start has it, against the twin."""

import io
import json
import os
import sys
from queue import Queue

import fastavro
import grpc
import requests

sys.path.insert(0, os.environ["STUBS"])
import pubsub_api_pb2 as messages  # noqa: E402
import pubsub_api_pb2_grpc as stubs  # noqa: E402

base = os.environ["SALESFORCE_LOGIN_URL"]
channel_name = "/data/Tributary__chn"


def check(what, fact):
    print(f"{'ok  ' if fact else 'FAIL'} {what}")
    if not fact:
        sys.exit(1)


def sign_in(client_id, secret):
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return requests.post(f"{base}/services/oauth2/token", data=form, timeout=10).json()


token = sign_in(os.environ["SALESFORCE_CLIENT_ID"], os.environ["SALESFORCE_CLIENT_SECRET"])
person = sign_in("person", "person-secret")
org = token["id"].split("/")[-2]
asked = (("accesstoken", token["access_token"]), ("instanceurl", token["instance_url"]), ("tenantid", org))
pubsub = stubs.PubSubStub(grpc.insecure_channel(os.environ["SALESFORCE_PUBSUB_ENDPOINT"]))


def at_work(method, path, body):
    headers = {"Authorization": f"Bearer {person['access_token']}"}
    answer = requests.request(method, f"{base}/services/data/v67.0{path}", json=body, headers=headers, timeout=10)
    return answer.json() if answer.content else None


def subscribe(credit, **start):
    """Answers, and a way to ask for more."""
    requests_out = Queue()
    requests_out.put(messages.FetchRequest(topic_name=channel_name, num_requested=credit, **start))
    return pubsub.Subscribe(iter(requests_out.get, None), metadata=asked), requests_out


def events_of(stream, count):
    found = []
    for response in stream:
        found.extend(response.events)
        if len(found) >= count:
            return found


schemas = {}


def decode(event):
    schema_id = event.event.schema_id
    if schema_id not in schemas:
        info = pubsub.GetSchema(messages.SchemaRequest(schema_id=schema_id), metadata=asked)
        schemas[schema_id] = fastavro.parse_schema(json.loads(info.schema_json))
    return fastavro.schemaless_reader(io.BytesIO(event.event.payload), schemas[schema_id], None)


topic = pubsub.GetTopic(messages.TopicRequest(topic_name=channel_name), metadata=asked)
check("the channel can be subscribed to", topic.can_subscribe)

stream, more = subscribe(1, replay_preset=messages.ReplayPreset.LATEST)
made = at_work("POST", "/sobjects/Contact", {"FirstName": "Mara", "LastName": "Ilves", "Email": "mara@orchard.example"})
[created] = events_of(stream, 1)
value = decode(created)
header = value["ChangeEventHeader"]
check("a creation comes, decoded by its own schema", header["changeType"] == "CREATE" and header["recordIds"] == [made["id"]])
check("with all of the record", value["Email"] == "mara@orchard.example" and value["Name"]["FirstName"] == "Mara")

at_work("PATCH", f"/sobjects/Contact/{made['id']}", {"Title": "CTO"})
more.put(messages.FetchRequest(topic_name=channel_name, num_requested=5))
[updated] = events_of(stream, 1)
value = decode(updated)
check("an update comes when there is credit again, and tells what changed", value["Title"] == "CTO" and value["Email"] is None)
bitmap = int(value["ChangeEventHeader"]["changedFields"][0], 16)
names = [field["name"] for field in schemas[updated.event.schema_id]["fields"]]
changed = [name for position, name in enumerate(names) if bitmap >> position & 1]
check(f"changedFields is the bitmap of it: {changed}", "Title" in changed and "Email" not in changed)
stream.cancel()

stream, _ = subscribe(1, replay_preset=messages.ReplayPreset.CUSTOM, replay_id=created.replay_id)
[again] = events_of(stream, 1)
check("from a replay id, strictly after it", again.replay_id == updated.replay_id)
stream.cancel()
stream, _ = subscribe(2, replay_preset=messages.ReplayPreset.EARLIEST)
check("from the earliest", [one.replay_id for one in events_of(stream, 2)] == [created.replay_id, updated.replay_id])
stream.cancel()


def ends_with(what, stream, code, status):
    try:
        next(iter(stream))
    except grpc.RpcError as error:
        said = dict(error.trailing_metadata()).get("error-code", "")
        print(f"     {error.code()} {said}")
        check(what, said.endswith(code) and error.code() == status)
        return
    check(what, False)


lost, _ = subscribe(1, replay_preset=messages.ReplayPreset.CUSTOM, replay_id=b"nothing at all")
ends_with("a replay id that is none", lost, "replayid.corrupted", grpc.StatusCode.INVALID_ARGUMENT)
stranger = pubsub.Subscribe(
    iter([messages.FetchRequest(topic_name=channel_name, num_requested=1)]),
    metadata=(("accesstoken", "00Dnone"), ("instanceurl", token["instance_url"]), ("tenantid", org)),
)
ends_with("a token that is none", stranger, "service.auth.error", grpc.StatusCode.UNAUTHENTICATED)
