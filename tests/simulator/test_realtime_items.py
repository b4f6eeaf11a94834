"""Items and tools of the simulated session."""

from __future__ import annotations

import json

import pytest

from sipagent.simulator.realtime_options import Call, Mcp, Say, Turn
from tests.simulator.sent_events import error, kinds, one


def test_items_are_made_found_and_deleted(client):
    content = [{"type": "input_text", "text": "Hi"}]
    item = {"type": "message", "role": "user", "content": content}
    made = client.send("conversation.item.create", item={**item, "id": "m1"})
    assert kinds(made) == ["conversation.item.added", "conversation.item.done"]
    client.send("conversation.item.create", item={**item, "id": "m0"}, previous_item_id="root")
    again = client.send("conversation.item.create", item={**item, "id": "m1"})
    assert error(again)["code"] == "item_create_duplicate_item_id"
    behind = client.send("conversation.item.create", item={**item, "id": "m2"}, previous_item_id="m0")
    assert one(behind, "conversation.item.added")["previous_item_id"] == "m0"
    assert kinds(client.send("conversation.item.delete", item_id="m1")) == ["conversation.item.deleted"]
    assert error(client.send("conversation.item.retrieve", item_id="m1"))["code"] == "item_not_found"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "song"},
        {"type": "message", "role": "king", "content": []},
        {"type": "message", "role": "user", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call_output", "call_id": "c1", "output": {"a": 1}},
        "text",
    ],
)
def test_items_that_are_refused(client, item):
    heard = client.send_raw(json.dumps({"type": "conversation.item.create", "item": item}))
    assert kinds(heard) == ["error"]


def test_commit_by_hand(new_client):
    client = new_client()
    client.configure()
    audio = {"input": {"turn_detection": None}}
    client.send("session.update", session={"type": "realtime", "audio": audio})
    assert error(client.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"
    assert kinds(client.say(ms=200, silence_ms=0)) == []
    made = kinds(client.send("input_audio_buffer.commit"))
    assert made == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    client.say(ms=200, silence_ms=0)
    assert kinds(client.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert error(client.send("input_audio_buffer.commit"))["code"] == "input_audio_buffer_commit_empty"


def test_the_voice_is_fixed_once_it_was_heard(client):
    change = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert kinds(client.send("session.update", session=change)) == ["session.updated"]
    client.send("response.create")
    client.pass_time(5)
    change["audio"]["output"]["voice"] = "ash"
    assert error(client.send("session.update", session=change))["code"] == "cannot_update_voice"


def test_a_function_call(new_client):
    script = [
        Turn(reply=[Call(call="lookup", arguments={"day": "Monday"})]),
        Turn(reply=[Say(say="Nine to five.")]),
    ]
    client = new_client(script)
    client.configure()
    client.send("response.create")
    client.pass_time(1)
    done = one(client.events, "response.function_call_arguments.done")
    assert json.loads(done["arguments"]) == {"day": "Monday"}
    output = {"type": "function_call_output", "call_id": done["call_id"], "output": "9-17"}
    client.send("conversation.item.create", item=output)
    client.send("response.create")
    client.pass_time(5)
    assert one(client.events, "response.output_audio_transcript.done")["transcript"] == "Nine to five."


@pytest.mark.parametrize("error", [None, "no such day"])
def test_a_tool_that_the_host_runs(new_client, error):
    use = Mcp(mcp="diary", tool="lookup", arguments={"day": "Monday"}, output="9-17", error=error)
    client = new_client([Turn(reply=[use, Say(say="Nine to five.")])])
    client.configure()
    client.send("response.create")
    client.pass_time(5)
    done = one(client.events, "response.mcp_call.failed" if error else "response.mcp_call.completed")
    (item,) = [
        event["item"]
        for event in client.events
        if event["type"] == "response.output_item.done" and event["item"]["id"] == done["item_id"]
    ]
    assert (item["type"], item["server_label"], item["name"]) == ("mcp_call", "diary", "lookup")
    assert json.loads(item["arguments"]) == {"day": "Monday"}
    assert item["output"] == (None if error else "9-17")
    assert (item["error"] or {}).get("message") == error
