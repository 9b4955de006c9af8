"""The tools that the SDK offers to agents, and what is said where no model is configured."""

from blaxel.core import bl_tools

from checks.support import equal, folder, name, raises
from clients import Box
from report import Checks

# The sandbox that BL_SANDBOX_SMOKE_BOX_URL names.
SANDBOX = "sandbox/smoke-box"


def checks(box: Box) -> Checks:
    return {
        "tools are listed and called": lambda: are_called(box),
        "codegen without a key": lambda: without_key(box),
    }


async def are_called(box: Box) -> None:
    offered = bl_tools([SANDBOX])
    await offered.initialize()
    tools = {tool.name: tool.coroutine for tool in offered.get_tools()}
    id = name("tool")
    done = await tools["processExecute"](command="echo hi", name=id, waitForCompletion=True)
    assert '"logs":"hi\\n"' in done.content[0].text, done
    equal((await box.get(id)).status, "completed")
    path = f"{folder()}/a"
    await tools["fsWriteFile"](path=path, content="one")
    await tools["fsEditFile"](path=path, oldString="one", newString="two")
    equal(await box.fs.read(path), "two")


async def without_key(box: Box) -> None:
    text = "codegen tools are not configured"
    await raises(box._call(box.codegen.fastapply, "a.js", "x"), text)
    await raises(box._call(box.codegen.reranking, "a", "q"), text)
