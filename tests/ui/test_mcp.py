import asyncio
import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.ui.conftest import NAMES, QUESTION

pytest.importorskip("mcp")
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


def call(address: str, work):
    """Run `work(session)` in a session of a real MCP client."""

    async def run():
        async with streamablehttp_client(f"{address}gradio_api/mcp/") as (r, w, _), ClientSession(r, w) as session:
            await session.initialize()
            return await work(session)

    with ThreadPoolExecutor(1) as thread:  # a loop of its own: the browser tests keep one in this thread
        return thread.submit(lambda: asyncio.run(run())).result()


def test_the_tools_are_the_functions_of_the_api(address):
    found = call(address, lambda session: session.list_tools())
    tools = {tool.name: tool for tool in found.tools}
    assert sorted(f"/{name}" for name in tools) == NAMES
    assert "Answer a question about a photo" in tools["ask"].description
    assert set(tools["ask"].inputSchema["properties"]) == {"photo", "question"}
    assert "plain English" in json.dumps(tools["ask"].inputSchema)


def test_a_tool_answers(address, vqa, photo):
    url = "data:image/png;base64," + base64.b64encode(photo.read_bytes()).decode()
    found = call(address, lambda session: session.call_tool("ask", {"photo": url, "question": QUESTION}))
    assert not found.isError, found
    told = "".join(part.text for part in found.content if part.type == "text")
    assert vqa.ask(photo, QUESTION).text in told
    assert "confidence" in told


def test_a_refusal_is_a_sentence(address, photo):
    url = "data:image/png;base64," + base64.b64encode(photo.read_bytes()).decode()
    found = call(address, lambda session: session.call_tool("ask", {"photo": url, "question": ""}))
    assert found.isError
    assert "The question is empty" in found.content[0].text
    assert "Traceback" not in found.content[0].text
