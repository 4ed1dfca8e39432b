import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.ui.conftest import NAMES, QUESTION
from ui.api.payload import data_url

pytest.importorskip("mcp")
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


def call(address: str, method: str, *values):
    """The result of a method of a real MCP client's session."""

    async def run():
        async with streamablehttp_client(f"{address}gradio_api/mcp/") as (r, w, _), ClientSession(r, w) as session:
            await session.initialize()
            return await getattr(session, method)(*values)

    with ThreadPoolExecutor(1) as thread:  # a loop of its own: the browser tests keep one in this thread
        return thread.submit(lambda: asyncio.run(run())).result()


def test_the_tools_are_the_functions_of_the_api(address):
    tools = {tool.name: tool for tool in call(address, "list_tools").tools}
    assert sorted(f"/{name}" for name in tools) == NAMES
    assert "Answer a question about a photo" in tools["ask"].description
    assert set(tools["ask"].inputSchema["properties"]) == {"photo", "question"}
    assert "plain English" in json.dumps(tools["ask"].inputSchema)


def test_a_tool_answers_or_refuses_in_a_sentence(address, vqa, photo):
    url = data_url("image/png", photo.read_bytes())
    found = call(address, "call_tool", "ask", {"photo": url, "question": QUESTION})
    assert not found.isError, found
    text = "".join(part.text for part in found.content if part.type == "text")
    assert vqa.ask(photo, QUESTION).text in text and "confidence" in text
    found = call(address, "call_tool", "ask", {"photo": url, "question": ""})
    assert found.isError and "The question is empty" in found.content[0].text
    assert "Traceback" not in found.content[0].text
