"""What the fold makes of events, where the worked examples leave it open."""

import pytest
from letters import ADA, BOB, FEED, ORG, deletion, lead, moment, states, steps

from lifecycle import Edge, Rules, decode, fold, format_time

DEFAULT = Rules.default()


def told(*messages, rules=DEFAULT):
    return fold(rules, map(decode, messages))


def only(history):
    (found,) = history.leads
    return found


def codes(found):
    return [finding.code for finding in found.findings]


def dates(**named):
    return {f"date{name.title()}": moment(at) for name, at in named.items()}


# --- implied steps ------------------------------------------------------------------------------


def test_an_update_of_an_unknown_lead_with_dates_ends_received():
    found = only(told(lead("update", "10:05", snapshot=dates(sent="10:00", received="10:01"))))
    assert steps(found.rows) == [
        ("send", "new", "sent", "implied"),
        ("receive", "sent", "received", "implied"),
    ]
    assert [format_time(row.at) for row in found.rows] == [moment("10:00"), moment("10:01")]


def test_a_receipt_older_than_the_sending_is_stale():
    found = only(
        told(
            lead("add", "10:00"),
            lead("reject", "10:01"),
            lead("add", "10:05", snapshot=dates(received="10:02")),
        )
    )
    assert found.lead.state == "sent"
    assert codes(found) == ["odd_dates"]


def test_a_date_after_its_event_is_brought_back_to_it():
    found = only(told(lead("add", "10:00", snapshot=dates(sent="11:00"))))
    assert format_time(found.rows[0].at) == moment("10:00")
    assert codes(found) == ["odd_dates"]


def test_a_date_before_the_last_step_is_brought_forward_to_it():
    again = lead("add", "10:09", snapshot=dates(sent="09:00"))
    found = only(told(lead("add", "10:00"), lead("reject", "10:05"), again))
    assert [format_time(row.at) for row in found.rows][-1] == moment("10:05")
    assert codes(found) == ["odd_dates"]


def test_a_refused_event_takes_no_implied_step():
    rules = Rules("strict", (Edge("send", ("new",), "sent"), Edge("accept", ("new",), "accepted")))
    found = only(told(lead("accept", "10:05", snapshot=dates(sent="10:00")), rules=rules))
    assert steps(found.rows) == [("accept", "new", "new", "no_edge")]


def test_an_implied_step_that_the_rules_do_not_allow_is_no_refusal():
    rules = Rules("strict", (Edge("accept", ("new",), "accepted"),))
    found = only(told(lead("accept", "10:05", snapshot=dates(sent="10:00")), rules=rules))
    assert steps(found.rows) == [("accept", "new", "accepted", "stated")]


def test_a_receive_of_its_own_is_not_implied_as_well():
    found = only(told(lead("receive", "10:05", snapshot=dates(sent="10:00", received="10:01"))))
    assert steps(found.rows) == [
        ("send", "new", "sent", "implied"),
        ("receive", "sent", "received", "stated"),
    ]


def test_decisions_are_never_implied():
    found = only(told(lead("add", "10:05", snapshot=dates(accepted="10:01", rejected="10:02"))))
    assert found.lead.state == "sent"
    assert codes(found) == ["unwitnessed_decision", "unwitnessed_decision"]


def test_a_decision_is_witnessed_by_an_event_that_comes_later():
    add = lead("add", "10:05", snapshot=dates(accepted="10:01"))
    assert codes(only(told(add, lead("accept", "10:09")))) == []


def test_an_update_that_moves_nothing_leaves_no_row():
    history = told(lead("add", "10:00"), update := lead("update", "10:01"))
    assert steps(only(history).rows) == [("send", "new", "sent", "stated")]
    assert history.fates[update["id"]].verdict == "noted"


def test_an_assign_from_assigned_to_assigned_leaves_a_row():
    found = only(told(lead("assign", "10:00"), lead("assign", "10:01")))
    assert steps(found.rows)[-1] == ("assign", "assigned", "assigned", "stated")


# --- parties --------------------------------------------------------------------------------------

OFFER = {"owner": ORG, "sender": FEED, "recipient": BOB}


@pytest.mark.parametrize(
    ("messages", "holder"),
    [
        ([lead("add", "10:00", snapshot=OFFER)], BOB),
        ([lead("add", "10:00", recipient=ADA)], ADA),
        ([lead("assign", "10:00", recipient=ADA)], ADA),
        ([lead("assign", "10:00", snapshot=OFFER)], BOB),
        ([lead("accept", "10:00", agent=ADA, recipient=BOB)], ADA),
        ([lead("accept", "10:00", recipient=ADA, snapshot=OFFER)], ADA),
        ([lead("accept", "10:00", snapshot=OFFER)], BOB),
        ([lead("reject", "10:00", snapshot=OFFER)], ORG),
        ([lead("reject", "10:00", snapshot={"sender": FEED})], FEED),
        ([lead("retract", "10:00", recipient=ADA, snapshot=OFFER)], ADA),
        ([lead("retract", "10:00", snapshot=OFFER)], ORG),
        ([lead("retract", "10:00", snapshot={"sender": FEED})], FEED),
        ([lead("assign", "10:00", recipient=ADA), lead("assign", "10:01")], ADA),
        (
            [
                lead("add", "10:00", snapshot=OFFER),
                lead("assign", "10:01", recipient=ADA),
                lead("accept", "10:02"),
            ],
            ADA,
        ),
        (
            [
                lead("add", "10:00", snapshot=OFFER),
                lead("reject", "10:01"),
                lead("add", "10:02", recipient=ADA),
            ],
            ADA,
        ),
        ([lead("update", "10:00", snapshot=OFFER)], None),
    ],
)
def test_the_holder_is_whom_the_last_step_names(messages, holder):
    found = only(told(*messages)).lead.holder
    assert (found and str(found)) == holder


@pytest.mark.parametrize(
    ("message", "by"),
    [
        (lead("add", "10:00", snapshot=OFFER), FEED),
        (lead("accept", "10:00", snapshot=OFFER), BOB),
        (lead("accept", "10:00"), None),
        (lead("reject", "10:00", snapshot=OFFER), BOB),
        (lead("reject", "10:00", agent=ADA, snapshot=OFFER), ADA),
        (lead("retract", "10:00", agent=ORG, participant=ADA), ORG),
        (lead("assign", "10:00", agent=ORG, recipient=ADA), ORG),
        (lead("update", "10:00"), None),
    ],
)
def test_who_did_it_is_whom_the_message_names(message, by):
    found = only(told(message)).rows[0].by
    assert (found and str(found)) == by


def test_a_refused_event_changes_nothing_but_the_record_of_its_refusal():
    found = only(
        told(
            lead("add", "10:00", snapshot=OFFER),
            lead("reject", "10:01"),
            lead("accept", "10:02", agent=ADA, snapshot={"owner": ADA} | dates(rejected="10:00")),
        )
    )
    assert (str(found.lead.owner), str(found.lead.holder)) == (ORG, ORG)
    assert (found.lead.state, found.lead.events, found.lead.refusals) == ("rejected", 3, 1)
    assert codes(found) == ["invalid_transition"]


def test_a_guard_takes_an_owner_that_is_not_known_yet_from_the_message():
    accept = lead("accept", "10:00", agent=ADA)
    stranger = lead("assign", "10:01", agent=BOB, snapshot={"owner": BOB})
    assert only(told(accept, stranger)).lead.state == "assigned"
    refused = lead("assign", "10:01", agent=BOB, snapshot={"owner": ORG})
    row = only(told(accept, refused)).rows[-1]
    assert row.verdict == "guard"
    assert row.refusal.why == f"by {BOB}, but held by {ADA} and owned by {ORG}"


def test_a_guard_passes_where_the_message_names_nobody():
    assert only(told(lead("accept", "10:00", agent=ADA), lead("assign", "10:01"))).lead.state == (
        "assigned"
    )


def test_a_name_and_a_uri_contradict_nothing():
    accept = lead("accept", "10:00", agent={"name": "Ada"})
    assign = lead("assign", "10:01", agent=ADA)
    assert only(told(accept, assign)).lead.state == "assigned"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (lead("retract", "10:01", participant=BOB), ["wrong_party"]),
        (lead("retract", "10:01", participant=ADA), []),
        (lead("reject", "10:01", agent="https://eve.example.com/#me"), ["wrong_party"]),
        (lead("reject", "10:01", agent=ADA), []),
        (lead("reject", "10:01", agent=ORG), []),
    ],
)
def test_a_step_by_or_from_the_wrong_party_is_a_finding(message, found):
    assign = lead("assign", "10:00", recipient=ADA, snapshot={"owner": ORG})
    assert codes(only(told(lead("add", "09:59"), assign, message))) == found


# --- who is who -----------------------------------------------------------------------------------

JOE = {"c": "9"}


def test_a_contact_only_event_means_the_one_lead_that_comes_later():
    history = told(
        lead("retract", "10:00", keys=None, contact=JOE), lead("add", "10:01", contact=JOE)
    )
    assert states(history) == {"crmleadid:1": "sent"}
    assert steps(only(history).rows)[0] == ("retract", "new", "retracted", "stated")


def test_a_contact_only_event_founds_a_lead_of_its_own_before_several():
    history = told(
        lead("update", "10:00", keys=None, contact=JOE),
        lead("add", "10:01", keys="1", contact=JOE),
        lead("add", "10:02", keys="2", contact=JOE),
    )
    assert states(history) == {"contact:c:9": "sent", "crmleadid:1": "sent", "crmleadid:2": "sent"}


def test_a_contact_only_event_means_a_lead_for_which_it_is_legal():
    history = told(
        lead("add", "10:00", keys="1", contact=JOE),
        lead("add", "10:01", keys="2", contact=JOE),
        lead("reject", "10:02", keys="2", contact=JOE),
        lead("accept", "10:03", keys=None, contact=JOE),
    )
    assert states(history) == {"crmleadid:1": "accepted", "crmleadid:2": "rejected"}


def test_of_several_leads_a_contact_only_event_means_the_one_touched_last():
    history = told(
        lead("add", "10:00", keys="2", contact=JOE),
        lead("add", "10:01", keys="1", contact=JOE),
        lead("accept", "10:02", keys=None, contact=JOE),
    )
    assert states(history) == {"crmleadid:1": "accepted", "crmleadid:2": "sent"}
    assert codes(history.leads[0]) == ["ambiguous_lead"]


def test_of_leads_touched_at_once_it_means_the_one_with_the_smallest_key():
    history = told(
        lead("add", "10:00", keys="2", contact=JOE),
        lead("add", "10:00", keys="1", contact=JOE),
        lead("accept", "10:02", keys=None, contact=JOE),
    )
    assert states(history)["crmleadid:1"] == "accepted"


def test_a_lead_is_called_by_the_smallest_key_of_its_first_event():
    both = {"zeta": "1", "alpha": "9"}
    history = told(
        lead("update", "10:01", keys={"beta": "1", "zeta": "1"}), lead("add", "10:00", keys=both)
    )
    assert [one.lead.lead_id for one in history.leads] == ["alpha:9"]


def test_two_names_that_turn_out_to_be_one_lead_are_a_finding():
    history = told(
        lead("add", "10:00", keys={"x": "1"}),
        lead("accept", "10:01", keys={"y": "1"}),
        lead("update", "10:02", keys={"x": "1", "y": "1"}),
    )
    assert codes(only(history)) == ["merged"]


def test_a_deletion_concerns_every_lead_of_the_subject():
    history = told(
        lead("add", "10:00", keys="1", contact=JOE),
        deletion("10:01", JOE),
        lead("accept", "10:02", keys="1"),
        lead("add", "10:03", keys="2", contact=JOE),
    )
    assert states(history) == {"crmleadid:1": "sent", "crmleadid:2": "new"}
    assert {one.lead.contact_deleted_micros for one in history.leads} == {
        history.fates[next(iter(history.fates))].position[0] + 60_000_000
    }
    assert [codes(one) for one in history.leads] == [
        ["after_contact_deleted"],
        ["after_contact_deleted"],
    ]


def test_a_contact_that_very_many_leads_share_is_a_hub():
    many = [lead("add", "10:00", keys=str(number), contact=JOE) for number in range(1, 102)]
    assert [finding.code for finding in told(*many).findings] == ["hub"]
    assert told(*many[:100]).findings == ()


def test_a_lead_that_begins_without_an_add_is_joined_midway():
    joined = told(lead("assign", "10:00"), lead("reject", "10:01"), lead("add", "10:02"))
    assert codes(only(joined)) == ["joined_midway"]
    assert codes(only(told(lead("add", "10:00"), lead("assign", "10:01")))) == []


# --- copies ---------------------------------------------------------------------------------------


def test_of_two_contents_under_one_id_the_smaller_digest_counts():
    one, other = lead("accept", "10:00", id="x"), lead("reject", "10:00", id="x")
    smaller = min((decode(one), decode(other)), key=lambda event: event.digest)
    for history in (told(one, other), told(other, one)):
        assert only(history).rows[0].trigger == smaller.trigger
        assert "conflict" in codes(only(history))


def test_of_copies_without_a_time_the_one_received_first_counts():
    message = lead("update", "10:00", id="x")
    del message["time"]
    copies = [decode(message, received_at=at) for at in (2_000_000, 1_000_000)]
    found = only(fold(DEFAULT, copies))
    assert (found.rows[0].at_micros, codes(found)) == (
        1_000_000,
        ["joined_midway", "no_event_time"],
    )
