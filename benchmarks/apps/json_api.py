"""FastAPI: one JSON endpoint with a model, as the tutorial has it."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    """What the endpoint answers."""

    id: int
    name: str
    tags: list[str]


@app.get("/")
async def read_item() -> Item:
    """Answer one item."""
    return Item(id=1, name="hello", tags=["a", "b"])
