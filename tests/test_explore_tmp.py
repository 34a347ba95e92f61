import asyncio
from mcp_rag.models import *
from tests.conftest import *
from tests.test_search import Shortened
from tests.test_durability import eventually
async def test_L(rag):
    parts=[f"# Part {n}\n\nThe {w} is here.\n\n" for n,w in enumerate(("anvil","bellows","chisel"))]
    await rag.ingest("d",[NewMessage(text="".join(parts))],kind="document",title="Old")
    r=await rag.ingest("d",[NewMessage(text="".join(parts[:2]))],kind="document",title="New")
    print(r)
async def test_A(rag, database_url, embedder, owner):
    await rag.ingest("d",[NewMessage(text="We watched Jupiter and its moons")])
    await rag.vectors.drain()
    db=Database(url=database_url); await db.open()
    o=Rag(Store(db),Shortened(embedder),Extractive()); 
    await o.vectors.replace_model()
    r=await rag.search("planets"); print(r.mode, r.total, r.notice)
    print(await rag.status())
    await rag.ingest("e",[NewMessage(text="new")])
    try: print('drain old', await rag.vectors.drain())
    except Exception as e: print(repr(e), e)
    print(await owner.fetch("select model_key,count(*) from embedding group by 1"))
    print(await o.status()); 
    r=await o.search("planets"); print('self', r.mode, r.total, r.notice)
    await o.vectors.close(); await db.close()
async def test_B(rag, owner):
    await rag.ingest("d",[NewMessage(text="secret")])
    w="SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with owner.transaction():
        await owner.execute("SELECT FROM conversation FOR UPDATE")
        f=asyncio.create_task(rag.forget(conversation_ids=["d"],dry_run=False))
        await eventually(lambda: owner.fetchval(f"select ({w})=1"))
        i=asyncio.create_task(rag.ingest("d",[NewMessage(text="secret")]))
        await eventually(lambda: owner.fetchval(f"select ({w})=2"))
    print(await f); print(await i)
