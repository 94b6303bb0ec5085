"""Prices from a database, cached by each worker for itself, and changed for all at once.

Run it: ``gunicorn -c examples/flask_cache/gunicorn.conf.py``
"""

import os
import sqlite3
import tempfile
from contextlib import closing

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from flask_caching import Cache

from chatter.integrations.caching import CacheInvalidation
from chatter.integrations.flask import FlaskChatter

DATABASE = os.environ.get("DATABASE", os.path.join(tempfile.gettempdir(), "chatter_prices.sqlite"))

# An hour: nobody would wait for that to see a new price.
cache = Cache(config={"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 3600})
# All on this machine. Without these two the node speaks to the network of the default route.
chatter = FlaskChatter(address="127.0.0.1:0", interface="127.0.0.1")
invalidation = CacheInvalidation(cache, chatter)

app = Flask(__name__)
cache.init_app(app)
chatter.init_app(app)


def database() -> sqlite3.Connection:
    """A connection; the table is made by whoever comes first."""
    connection = sqlite3.connect(DATABASE)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS prices (article TEXT PRIMARY KEY, cents INTEGER)"
    )
    return connection


def read_price(article: str) -> int | None:
    """What the database says; slow, in earnest."""
    with closing(database()) as connection:
        row = connection.execute("SELECT cents FROM prices WHERE article = ?", [article]).fetchone()
    return None if row is None else int(row[0])


# Not for an hour: it may keep what was read just before a change.
@invalidation.memoized
@cache.memoize(timeout=60)  # type: ignore[untyped-decorator]
def total() -> int:
    """The sum of all prices."""
    with closing(database()) as connection:
        return int(connection.execute("SELECT COALESCE(SUM(cents), 0) FROM prices").fetchone()[0])


@app.get("/prices/<article>")
def show(article: str) -> ResponseReturnValue:
    """From this worker's cache, if it has it."""
    # Not kept if it changes while it is read: else an old price could stay for an hour.
    cents = invalidation.get_or_compute(f"price:{article}", lambda: read_price(article))
    if cents is None:
        abort(404)
    return jsonify(article=article, cents=cents, total=total(), worker=os.getpid())


@app.put("/prices/<article>")
def change(article: str) -> ResponseReturnValue:
    """In the database first, then in the caches: who reads in between keeps nothing old."""
    cents = request.get_json()["cents"]
    with closing(database()) as connection, connection:
        connection.execute(
            "INSERT INTO prices VALUES (?, ?)"
            " ON CONFLICT (article) DO UPDATE SET cents = excluded.cents",
            [article, cents],
        )
    receipt = invalidation.delete(f"price:{article}")
    invalidation.delete_memoized(total)
    return jsonify(told=receipt.recipients, worker=os.getpid())


@app.get("/workers")
def workers() -> ResponseReturnValue:
    """How many other workers this one knows."""
    return jsonify(worker=os.getpid(), others=len(chatter.peers()))
