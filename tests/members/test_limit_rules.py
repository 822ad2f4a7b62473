"""How many sign-in mails an address may get: a whole day of asking, by the rule alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from bibliothek.members.rules import COUNTED, FROM_EVERYWHERE, FROM_ONE_NETWORK, LINK_LASTS, MailLimit
from tests.make import NOW

ONE_MINUTE = timedelta(minutes=1)
AT_ONCE = timedelta(0)


def of_last_day(mails: list[datetime], now: datetime) -> list[datetime]:
    """Newest first, as a limit wants them."""
    return [moment for moment in reversed(mails) if moment > now - COUNTED]


def mails_of(limit: MailLimit, days: int = 2) -> list[datetime]:
    """When mails go out if somebody asks for four of them every minute; every refusal names the time that is left."""
    mails: list[datetime] = []
    for minute in range(days * 24 * 60):
        now = NOW + minute * ONE_MINUTE
        for _time in range(4):
            wait = limit.wait(of_last_day(mails, now), now)
            if wait == AT_ONCE:
                mails.append(now)
            else:
                assert AT_ONCE < wait <= max(limit.pause, LINK_LASTS)
    return mails


def most_within(mails: list[datetime], span: timedelta) -> int:
    """The most mails that went out within any `span`."""
    return max(sum(first <= moment < first + span for moment in mails) for first in mails)


def test_no_limit_is_reached_by_fewer_mails() -> None:
    for limit in (FROM_ONE_NETWORK, FROM_EVERYWHERE):
        for asked in range(limit.soon):
            assert limit.wait([NOW] * asked, NOW) == AT_ONCE
        assert limit.wait([NOW] * limit.soon, NOW) == LINK_LASTS
        day = [NOW - (LINK_LASTS + limit.pause) * (number + 1) for number in range(limit.daily)]
        assert limit.wait(day[1:], NOW) == limit.wait(day, NOW) == AT_ONCE


def test_a_day_of_asking_gets_no_more_mails_than_the_limit() -> None:
    for limit in (FROM_ONE_NETWORK, FROM_EVERYWHERE):
        mails = mails_of(limit)
        assert most_within(mails, LINK_LASTS) == limit.soon
        assert most_within(mails, COUNTED) <= limit.daily + COUNTED / limit.pause


def test_whoever_is_refused_because_of_many_networks_has_a_link_that_works() -> None:
    mails = mails_of(FROM_EVERYWHERE)
    gaps = [later - earlier for earlier, later in pairwise(mails)]
    assert max(gaps) <= LINK_LASTS


def longer_wait(from_here: list[datetime], from_elsewhere: list[datetime], now: datetime) -> timedelta:
    """The longer of what both limits say to one of two networks."""
    from_everywhere = sorted(from_here + from_elsewhere)
    return max(
        FROM_ONE_NETWORK.wait(of_last_day(from_here, now), now),
        FROM_EVERYWHERE.wait(of_last_day(from_everywhere, now), now),
    )


def test_a_stranger_who_types_an_address_all_day_leaves_its_owner_a_mail_or_a_link_that_works() -> None:
    strangers: list[datetime] = []
    at_home: list[datetime] = []
    for minute in range(2 * 24 * 60):
        now = NOW + minute * ONE_MINUTE
        if longer_wait(strangers, at_home, now) == AT_ONCE:
            strangers.append(now)
        if minute % 150 == 0:
            if longer_wait(at_home, strangers, now) == AT_ONCE:
                at_home.append(now)
            else:
                assert max(strangers + at_home) > now - LINK_LASTS
