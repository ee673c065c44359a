"""Who holds the lock that one of our statements waits for, and ending them, where the person says so.

The server is asked while the statement waits, so that nobody is named, or ended, who only works on the same table.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import psycopg

from migrator.locks import TOOL_LOCK

# no more of a query leaves the server than its first words, up to the first that is no plain one: it may hold secrets
HOLDERS = r"""
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'no name'), a.usename::text, a.backend_start::text,
       CASE WHEN a.backend_start IS NOT NULL THEN coalesce(host(a.client_addr), 'a local socket') END,
       a.state,
       to_char(coalesce(a.xact_start, a.backend_start) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'),
       substring(a.query FROM '^\s*([A-Za-z_]+(?:\s+[A-Za-z_]+){0,2})'),
       coalesce(w.relation::regclass::text, w.locktype || ' lock ' || coalesce(w.objid::text, '')),
       coalesce(a.application_name = 'migrate', false) OR EXISTS (
           SELECT FROM pg_locks t WHERE t.pid = h.pid AND t.locktype = 'advisory' AND t.granted AND t.objsubid = 1
           AND ((t.classid::bigint << 32) | t.objid::bigint) = %(tool_lock)s)
FROM pg_locks w
JOIN pg_locks h ON h.granted AND h.pid IS DISTINCT FROM w.pid
    AND (h.locktype, h.database, h.relation, h.page, h.tuple) IS NOT DISTINCT FROM
        (w.locktype, w.database, w.relation, w.page, w.tuple)
    AND (h.virtualxid, h.transactionid, h.classid, h.objid, h.objsubid) IS NOT DISTINCT FROM
        (w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid)
LEFT JOIN pg_stat_activity a ON a.pid = h.pid
WHERE w.pid = %(pid)s AND NOT w.granted
  AND coalesce(h.pid, 0) = ANY (pg_blocking_pids(%(pid)s))
"""
END = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid = %(holder)s AND backend_start::text IS NOT DISTINCT FROM %(started_at)s::text
  AND pid = ANY (pg_blocking_pids(%(pid)s))
"""


@dataclass(frozen=True, slots=True)
class Holder:
    """A session that holds a lock which is waited for; `pid` is None for a prepared transaction, which has none.

    `ours` is another copy of this tool. What the role may not see is None.
    """

    pid: int | None
    application: str
    role: str | None
    started_at: str | None
    address: str | None
    state: str | None
    since: str | None
    words: str | None
    lock: str
    ours: bool

    def __str__(self) -> str:
        if self.pid is None:
            return f"a prepared transaction (pg_prepared_xacts) on {self.lock}"
        state = f", {self.state}" if self.state else ""
        since = f" since {self.since} UTC" if self.since else ""
        words = f": {' '.join(self.words.split())} ..." if self.words else ""
        address = f" from {self.address}" if self.address else ""
        who = f"pid {self.pid} ({self.application}{state}) as {self.role}{address}"
        return f"{who} on {self.lock}{since}{words}"

    @property
    def can_be_ended(self) -> bool:
        """Tell whether it is a session, and none of another copy of this tool."""
        return self.pid is not None and not self.ours

    @property
    def session(self) -> tuple[int | None, str | None]:
        """What no other session has, also when a pid comes again."""
        return self.pid, self.started_at


@dataclass(slots=True)
class Wait:
    """What was seen, and done, while a statement waited for a lock."""

    holders: tuple[Holder, ...] = ()
    ended: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def holders_of_what(connection: psycopg.Connection[Any], pid: int) -> tuple[Holder, ...]:
    """Return who holds the lock that a session waits for just now; nobody where it does not wait."""
    rows = connection.execute(HOLDERS, {"pid": pid, "tool_lock": TOOL_LOCK}, prepare=False).fetchall()
    return tuple(dict.fromkeys(Holder(*row) for row in rows))


def end(
    connection: psycopg.Connection[Any], pid: int, wait: Wait, agreed: Collection[tuple[int | None, str | None]]
) -> None:
    """End those of the holders that the person agreed to, as long as they hold up this very session."""
    for holder in wait.holders:
        if holder.session not in agreed or not holder.can_be_ended:
            continue
        try:
            about = {"holder": holder.pid, "started_at": holder.started_at, "pid": pid}
            row = connection.execute(END, about, prepare=False).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            wait.refused.append(
                f"pid {holder.pid}: ending a session of role {holder.role} takes that role, a member of "
                "pg_signal_backend, or a superuser; that of a superuser takes a superuser"
            )
        else:
            if row is not None and row[0]:
                wait.ended.append(str(holder))
