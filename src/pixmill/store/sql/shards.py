"""Shards in SQL: each change of state is one conditional update, so that one of many does it."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, func, insert, select, update

from pixmill.store.shards import Counts, Plan, ShardId, Standing
from pixmill.store.sql.contention import patiently
from pixmill.store.sql.schema import jobs, shards
from pixmill.store.sql.shard_messages import SqlShardMessages
from pixmill.store.sql.shard_rows import JOB_GOES_ON, given_up, new_place, shard_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from pixmill.store.shards import Ending, NewShard, Shard, ShardState


class SqlShards(SqlShardMessages):
    """The port `Shards` over a database."""

    def plan(
        self, job_id: str, owner: str, first: int, new: Sequence[NewShard], *, complete: bool
    ) -> bool:
        """Add shards, of which the first has the number `first`."""
        end = first + len(new)

        def planned() -> bool:
            with self._database.writing() as connection:
                number = _number(connection, job_id)
                if not _hold(connection, job_id, owner) or number not in {first, end}:
                    return False
                if new and number == first:
                    values = [_row_of(job_id, first + at, each) for at, each in enumerate(new)]
                    connection.execute(insert(shards), values)
                if complete:
                    query = update(jobs).where(jobs.c.id == job_id)
                    connection.execute(query.values(shards=end))
                return True

        return patiently(planned)

    def planned(self, job_id: str) -> Plan:
        """Tell what was planned so far."""
        with self._database.reading() as connection:
            number = _number(connection, job_id)
            last = _find(connection, ShardId(job_id, number - 1))
            query = select(jobs.c.shards).where(jobs.c.id == job_id)
            told = connection.execute(query).scalar_one_or_none()
        return Plan(number, new_place(last) if last else None, told is not None)

    def claim(self, id_: ShardId, owner: str, worker: str) -> Shard | None:
        """Begin an attempt on a shard that waits."""
        query = update(shards).where(_this(id_), shards.c.state == "waiting", JOB_GOES_ON)

        def claimed() -> Shard | None:
            with self._database.writing() as connection:
                values = {
                    "state": "running",
                    "attempt": secrets.token_hex(8),
                    "attempts": shards.c.attempts + 1,
                    "owner": owner,
                    "worker": worker,
                    "started_at": self._database.time(connection),
                    "not_before": None,
                }
                if not connection.execute(query.values(values)).rowcount:
                    return None
                row = _find(connection, id_)
                return shard_of(row)

        return patiently(claimed)

    def hand_back(
        self, shard: Shard, cause: str, *, delay_s: float = 0.0, how: Ending = "left"
    ) -> bool:
        """Give up an attempt: the shard waits again."""

        def handed() -> bool:
            with self._database.writing() as connection:
                row = _find(connection, shard.id)
                if row is None:
                    return False
                now = self._database.time(connection)
                values = given_up(row, cause, now, how)
                if delay_s:
                    values["not_before"] = now + timedelta(seconds=delay_s)
                query = update(shards).where(_of_attempt(shard))
                return connection.execute(query.values(values)).rowcount == 1

        return patiently(handed)

    def commit(self, shard: Shard, counts: Counts) -> bool:
        """Let an attempt's part be the shard's; it may be said again."""
        values = {
            "state": "done",
            "ok": counts.ok,
            "missed": counts.missed,
            "failed": json.dumps(dict(counts.failed), sort_keys=True),
            "owner": None,
        }

        def committed() -> bool:
            with self._database.writing() as connection:
                query = update(shards).where(_of_attempt(shard)).values(values)
                query = query.values(finished_at=self._database.time(connection))
                return connection.execute(query).rowcount == 1

        return patiently(committed) or self._is_done(shard)

    def _is_done(self, shard: Shard) -> bool:
        found = self.find(shard.id)
        return found is not None and (found.state, found.attempt) == ("done", shard.attempt)

    def redo(self, shard: Shard) -> bool:
        """Let a shard that is done wait again."""
        this = _this(shard.id) & (shards.c.attempt == shard.attempt) & (shards.c.state == "done")

        def undone() -> bool:
            with self._database.writing() as connection:
                return connection.execute(update(shards).where(this).values(_UNDONE)).rowcount == 1

        return patiently(undone)

    def held(self, owner: str) -> list[Shard]:
        """List what an owner has."""
        is_held = (shards.c.owner == owner) & (shards.c.state == "running") & JOB_GOES_ON
        with self._database.reading() as connection:
            return [shard_of(row) for row in connection.execute(select(shards).where(is_held))]

    def find(self, id_: ShardId) -> Shard | None:
        """Find a shard."""
        with self._database.reading() as connection:
            row = _find(connection, id_)
        return shard_of(row) if row else None

    def following(self, job_id: str, line: int, limit: int) -> list[Shard]:
        """List the shards of a job that begin behind a line, in order."""
        this = (shards.c.job_id == job_id) & (shards.c.first_line > line)
        return self._list(this, limit)

    def _list(self, this: ColumnElement[bool], limit: int) -> list[Shard]:
        query = select(shards).where(this).order_by(shards.c.job_id, shards.c.number).limit(limit)
        with self._database.reading() as connection:
            return [shard_of(row) for row in connection.execute(query)]

    def standing(self, job_id: str, behind: int = 0) -> Standing:
        """Tell how a job's shards stand, with the counts of those that begin behind a line."""
        states = select(shards.c.state, func.count().label("number"))
        states = states.where(shards.c.job_id == job_id).group_by(shards.c.state)
        sums = select(
            shards.c.failed,
            func.count().label("number"),
            func.sum(shards.c.ok).label("ok"),
            func.sum(shards.c.missed).label("missed"),
        )
        is_counted = (shards.c.state == "done") & (shards.c.first_line > behind)
        sums = sums.where(shards.c.job_id == job_id, is_counted)
        with self._database.reading() as connection:
            found = {row.state: row.number for row in connection.execute(states)}
            counts = Counts()
            for row in connection.execute(sums.group_by(shards.c.failed)):
                codes = {code: n * row.number for code, n in json.loads(row.failed).items()}
                counts += Counts(int(row.ok), int(row.missed), codes)
        return Standing(cast("dict[ShardState, int]", found), counts)

    def numbers(self, job_id: str | None = None) -> Mapping[ShardState, int]:
        """Tell how many shards are in each state."""
        query = select(shards.c.state, func.count().label("number")).group_by(shards.c.state)
        query = query.where(JOB_GOES_ON if job_id is None else shards.c.job_id == job_id)
        with self._database.reading() as connection:
            return {row.state: row.number for row in connection.execute(query)}

    def spread(self, job_id: str, most: int) -> list[Mapping[ShardState, int]]:
        """Tell the same of runs of a job's shards, in order."""
        with self._database.reading() as connection:
            number = _number(connection, job_id)
            size = -(-number // most) or 1
            run = (shards.c.number - shards.c.number % size).label("run")
            query = select(run, shards.c.state, func.count().label("number"))
            query = query.where(shards.c.job_id == job_id).group_by("run", shards.c.state)
            runs: list[dict[ShardState, int]] = [{} for _ in range(0, number, size)]
            for row in connection.execute(query):
                runs[row.run // size][row.state] = row.number
        return list(runs)

    def running(self, limit: int, job_id: str | None = None) -> list[Shard]:
        """List shards that are done just now."""
        this = shards.c.state == "running"
        return self._list(this if job_id is None else this & (shards.c.job_id == job_id), limit)

    def dead(self, limit: int, job_id: str | None = None) -> list[Shard]:
        """List dead shards."""
        this = shards.c.state == "dead"
        return self._list(this if job_id is None else this & (shards.c.job_id == job_id), limit)

    def redrive(self, job_id: str) -> int:
        """Let the dead shards of a job wait again."""
        values = {"state": "waiting", "deaths": 0, "failures": 0, "published_at": None}
        values |= {"not_before": None}
        query = update(shards).where(shards.c.job_id == job_id, shards.c.state == "dead")
        with self._database.writing() as connection:
            return connection.execute(query.values(values)).rowcount

    def drop(self, job_id: str) -> None:
        """Forget the shards of a job, and that it was planned."""
        with self._database.writing() as connection:
            connection.execute(delete(shards).where(shards.c.job_id == job_id))
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(shards=None))


_NOTHING: Mapping[str, Any] = MappingProxyType({"ok": 0, "missed": 0, "failed": "{}"})
_UNDONE = {**_NOTHING, "state": "waiting", "published_at": None, "finished_at": None}


def _this(id_: ShardId) -> ColumnElement[bool]:
    return (shards.c.job_id == id_.job_id) & (shards.c.number == id_.number)


def _of_attempt(shard: Shard) -> ColumnElement[bool]:
    """Tell a shard whose attempt this is, if it was not given up."""
    is_its = (shards.c.attempt == shard.attempt) & (shards.c.state == "running")
    return _this(shard.id) & is_its


def _find(connection: Connection, id_: ShardId) -> Any:
    return connection.execute(select(shards).where(_this(id_))).one_or_none()


def _hold(connection: Connection, job_id: str, owner: str) -> bool:
    """Tell whether the job is the owner's, who keeps it until the transaction ends."""
    is_its = (jobs.c.state == "running") & (jobs.c.lease_owner == owner)
    query = select(jobs.c.id).where(jobs.c.id == job_id, is_its).with_for_update()
    return connection.execute(query).first() is not None


def _number(connection: Connection, job_id: str) -> int:
    query = select(func.max(shards.c.number)).where(shards.c.job_id == job_id)
    last = connection.execute(query).scalar()
    return 0 if last is None else int(last) + 1


def _row_of(job_id: str, number: int, new: NewShard) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": number,
        "state": "waiting",
        "items": new.items,
        "first_line": new.first_line,
        "last_line": new.last_line,
        "input": new.place[0],
        "place": new.place[1],
        "attempts": 0,
        "deaths": 0,
        "failures": 0,
        "alone": False,
        **_NOTHING,
        "failed_attempts": "[]",
    }
