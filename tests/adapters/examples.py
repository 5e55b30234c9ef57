"""Values for the tests of the stores: plain ones, and ones with every field set to something awkward."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.core.events.generation_event import ChosenBy, Output, PassedOver
from shared.core.keys import Key
from shared.core.lifecycle.approval import Asked, Decision
from shared.core.lifecycle.attempt import Attempt
from shared.core.lifecycle.generation import Closed, Generation, Transition
from shared.core.lifecycle.state import State
from shared.core.lifecycle.steps import Entry
from shared.core.modality import Modality
from shared.core.money import moves
from shared.core.money.account import Account, Hold, Stamp, Standing, User
from shared.core.money.allowance import Running
from shared.core.money.buckets import Bucket, Change, Part, Terms
from shared.core.money.chain import LedgerRef
from shared.core.money.entries import LedgerEntry, Move
from shared.core.money.limits import Cost, Effect, Limit, Notice, Scope, Warned
from shared.core.money.limits import Unit as LimitUnit
from shared.core.money.linking import StandIns
from shared.core.money.moves import Posting
from shared.core.money.payer import Payer
from shared.core.money.pricing import Price, Unit
from shared.core.money.windows import UNUSED, Span
from shared.core.provider.guarantees import PROVIDERS, REPLICATE, Guarantees, Kind
from shared.core.reasons import SENTENCES, Reason
from shared.core.requests.messages import GenerationRequest
from shared.core.safety.screening_record import ScreeningRecord
from shared.ports import OpenRow, Store

#: It has microseconds, so that a test fails if a store rounds.
NOW = datetime(2026, 11, 21, 12, 34, 56, 123456, tzinfo=UTC)

#: Every character that an id may have (shared/core/keys.py), and the longest one there is.
AWKWARD_IDS = ("ada", "a.b_c@d|e-f", "9", "auth0|Ab.c@d-e_f", "-x:y+z=~'o''", "a:hold", "x" * 128)

#: Beyond 32 bits.
HUGE = 2**53 + 1

LATER = NOW + timedelta(days=9, microseconds=1)

#: A bucket with a priority and an end.
SOON = Terms("allowance:2026-11-01T00:00Z", NOW, LATER, 3)

PROMPT = "日本の灯台 🗼 «quoted» \"double\" 'single'\n\tनमस्ते \u2028 C:\\path {json: [1]} %41 +&="


def opening(key: Key, account: Account, amount: int = 5, user: User | None = None) -> Transition[Generation]:
    """A generation that opens with a hold."""
    hold, moved = moves.hold(account, user, Cost(amount, 700), key=key, posting=Posting(at=NOW))
    generation = Generation(
        key=key,
        state=State.SUBMITTING,
        opened_at=NOW,
        request=GenerationRequest(key=key, prompt="a lighthouse"),
        attempt=attempt(),
        chain=("flux-schnell",),
        hold=hold,
    )
    return Transition(generation).moving(moved)


def ending(
    generation: Generation, account: Account, captured: int = 3, user: User | None = None
) -> Transition[Generation]:
    """The end of a generation that holds credits."""
    payer = Payer(account, user)
    ended = replace(generation, state=State.SUCCEEDED, captured_credits=captured, ended_at=NOW)
    return Transition(ended).moving(payer.resolve(generation.hold, captured, 300, generation.key, NOW))


def closed(key: Key, **fields: Any) -> Closed:
    """What was rejected before it opened."""
    plain: dict[str, Any] = {
        "key": key,
        "state": State.REJECTED,
        "opened_at": NOW,
        "ended_at": NOW,
        "request": None,
        "reason": Reason.NO_CREDITS,
        "text": SENTENCES[Reason.NO_CREDITS],
    }
    return Closed(**plain | fields)


#: The screening record of a refused prompt.
RECORD = ScreeningRecord(
    subject="prompt",
    at=NOW,
    policy="2026-11",
    plan="premium",
    allowed=False,
    category="Violence",
    severities={"Violence": 6},
    topics=("minors",),
    screeners=("blocklist",),
    unavailable=("content_safety",),
    digest="ab" * 16,
)


def attempt() -> Attempt:
    """A first attempt with nothing special about it."""
    return Attempt(
        number=1,
        posts=1,
        model="flux-schnell",
        provider=REPLICATE,
        kind=Kind.PREDICTION,
        guarantees=PROVIDERS[REPLICATE][Kind.PREDICTION],
        target="black-forest-labs/flux-schnell",
        inputs={"prompt": "a lighthouse"},
        seed=0,
        own_seed=False,
        outputs=1,
        unit_credits=1,
        prices=(Price(Unit.IMAGE, 3000),),
        expected_s=3,
        cancel_after_s=60,
        submitted_at=NOW,
    )


#: One that was asked twice, approved once, and denied.
APPROVAL = Asked(
    limit_id="daily",
    scope=Scope.USER,
    credits=4,
    asked_at=NOW,
    until=NOW + timedelta(days=3),
    asks=2,
    decisions=(
        Decision(command_id="a1", by="eve", at=NOW, limit_id="weekly", scope=Scope.ACCOUNT, most_credits=4),
        Decision(command_id="a2", by="operator:kim", at=NOW, limit_id="daily", scope=Scope.USER),
    ),
    again_at=NOW + timedelta(hours=1),
)


#: A warning: half of a limit was reached.
NOTICE = Notice(
    Limit(limit_id="usd", window=Span.MONTH, amount=10_000, unit=LimitUnit.USD, effect=Effect.WARN, scope=Scope.USER),
    step=50,
    used=5_400,
    until=NOW + timedelta(days=9),
)


def full_generation(key: Key) -> Generation:
    """A generation with a value in every field."""
    return Generation(
        key=key,
        state=State.RUNNING,
        opened_at=NOW,
        request=full_request(key),
        attempt=replace(
            attempt(),
            number=2,
            posts=3,
            inputs={
                "prompt": PROMPT,
                "steps": 28,
                "guidance": 3.5,
                "raw": False,
                "images": ["input:a", "input:b"],
                "seed": 2**32 - 1,
            },
            seed=2**32 - 1,
            own_seed=True,
            modality=Modality.VIDEO,
            prices=(Price(Unit.RUN, HUGE), Price(Unit.SECOND, 1)),
            seconds=9,
            output_bytes=HUGE,
            kind=Kind.TRAINING,
            guarantees=Guarantees(listed=True, idempotent=True),
            destination="ada/lighthouses",
            inherits="flux-dev-trained",
            retry_at=NOW + timedelta(microseconds=1),
            prediction_id="p" * 26,
            missing_since=NOW + timedelta(microseconds=2),
            promised=True,
        ),
        chain=("flux-dev", "flux-schnell"),
        hold=full_hold(),
        notices=(NOTICE,),
        refunded_credits=HUGE,
        captured_credits=HUGE,
        outputs=(output(key, 0), output(key, 1)),
        refused_outputs=2,
        ignored_fields=("negative_prompt", "strength"),
        plan="premium",
        chosen_by=ChosenBy.FALLBACK,
        passed_over=(PassedOver("flux-dev", Reason.MODEL_RETIRED), PassedOver("flux-0", Reason.PROVIDER_FAILED)),
        metrics={"predict_time": 1.5, "image_count": 2, "resolution_target": "1080p", "with_audio": True},
        cost_usd_micros=HUGE,
        unmeasured_usd_micros=HUGE + 1,
        provider_error="CUDA out of memory, zu groß 🙂",
        ledger=(LedgerRef("hold", HUGE, "a" * 64), LedgerRef("resolve", HUGE + 1, "b" * 64)),
        receipt='{"facts":"ä"}' * 3000,
        requested_end=Reason.CANCELED_BY_USER,
        reason=Reason.OUTPUT_REFUSED,
        text="Zu spät: bitte nochmal 🙂.",
        ended_at=NOW + timedelta(days=1),
        screenings=(RECORD, replace(RECORD, subject="output 1.0", allowed=True, category="", unscreened="video")),
        approval=APPROVAL,
        trace_parent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        history=(
            Entry("credits_held", NOW, NOW),
            Entry("create_deferred", NOW, NOW + timedelta(minutes=5), 7, "paced"),
        ),
    )


def full_request(key: Key) -> GenerationRequest:
    """A request with a value in every field."""
    return GenerationRequest(
        key=key,
        digest="5e" * 32,
        prompt=PROMPT,
        model="flux-dev",
        negative_prompt="ﬁnger",
        width=1024,
        height=768,
        aspect_ratio="4:3",
        num_outputs=4,
        num_inference_steps=28,
        guidance_scale=7.0,
        seed=0,
        image_url="https://example.com/ä?x=1&y=2",
        image_urls=("https://example.com/b",),
        mask_url="https://example.com/mask",
        end_image_url="https://example.com/end",
        prompt_strength=0.1,
        lora_weights="https://weights.example.com/a.safetensors",
        lora_scale=0.5,
        output_format="webp",
        quality="premium",
        modality="training",
        system_prompt="Be brîef.",
        max_tokens=1,
        temperature=0.0,
        kind="music",
        top_k=0,
        top_p=0.0,
        fps=24,
        motion=0.5,
        duration_s=9,
        resolution="1 MP",
        continuation=False,
        input_file=f"{key.account_id}/{key.user_id}/a b/voice.wav",
        destination="ada/lighthouses",
        trigger_word="LGHT",
        training_steps=1000,
        learning_rate=0.0004,
        batch_size=2,
        lora_rank=16,
        autocaption=False,
        gradient_checkpointing=True,
        strict=True,
        unknown_fields=("widht",),
        max_credits=1_000_000_000,
        allow_fallback=False,
        metadata={"työ": "ö", "empty": ""},
    )


def output(key: Key, index: int) -> Output:
    """A stored output."""
    return Output(
        container="outputs",
        name=f"{key}/2-{index}.png",
        content_type="image/png",
        size_bytes=HUGE,
        width=1024,
        height=768,
        text="Zwei Zeilen:\n🗼",
        sha256="0f" * 32,
    )


def full_account(user_id: str) -> Account:
    """An account with a value in every field, in numbers beyond 32 bits."""
    return Account(
        account_id=user_id,
        name="Ada's 🗼 «tower»",
        plan="premium",
        standing=Standing.SUSPENDED,
        suspended_for="für immer",
        approvers=("bob", "o'brien"),
        zone="Europe/Berlin",
        granted=5 * HUGE,
        available=HUGE,
        held=HUGE,
        captured=HUGE,
        expired=HUGE,
        revoked=HUGE,
        buckets=(Bucket(SOON, 1, 2), Bucket(Terms("grant:o'brien", NOW), HUGE - 1, HUGE - 2)),
        running=Running(end=LATER, since=NOW, whole_s=2_592_000, credits=HUGE, got=7, lapsed=True),
        seq=HUGE,
        head="a" * 64,
        moved_at=NOW,
        own=UNUSED.plus(NOW, 3, HUGE, "Asia/Tokyo"),
        own_limits=uses(Scope.USER)["limits"],
        **uses(Scope.ACCOUNT),
    )


def full_entry(account_id: str) -> LedgerEntry:
    """A ledger entry with a value in every field."""
    return LedgerEntry(
        account_id=account_id,
        seq=HUGE + 1,
        move=Move.CORRECTION,
        entry_id="one",
        at=NOW,
        granted=-HUGE,
        available=-HUGE - 4,
        held=1,
        captured=1,
        expired=1,
        revoked=1,
        buckets=(Change(SOON, -HUGE, 1), Change(Terms("grant:o'brien", LATER), -4)),
        by="operator:Ada 🗼",
        why="für Ada 🙂",
        asked="available -5",
        superseded=True,
        user_id="o'brien",
        generation_id="one",
        usd_micros=-HUGE,
        held_at=LATER,
        previous="a" * 64,
        stand_ins=StandIns(account="1" * 64, entry="2" * 64, user="3" * 64, who="4" * 64, why="5" * 64, asked="6" * 64),
        digest="b" * 64,
    )


def full_user(account_id: str, user_id: str) -> User:
    """A user with a value in every field."""
    return User(account_id=account_id, user_id=user_id, **uses(Scope.USER))


def uses(scope: Scope) -> dict[str, Any]:
    """What accounts and users share."""
    usd = Limit(limit_id="all", window=Span.ROLLING_24H, amount=0, unit=LimitUnit.USD, effect=Effect.WARN, scope=scope)
    return {
        "usage": UNUSED.plus(NOW - timedelta(hours=3), 4, 5, "Asia/Tokyo").plus(NOW, HUGE, HUGE, "Asia/Tokyo"),
        "limits": (
            usd,
            Limit(limit_id="o'brien", window=Span.DAY, amount=1_000_000_000, effect=Effect.APPROVE, scope=scope),
        ),
        "warned": (Warned("all", scope, 80, LATER, "0 usd_micros in rolling_24h"), Warned("old", scope, 50, LATER)),
        "stamps": (Stamp("limit:all", NOW, "command-1"), Stamp("name", LATER, "🗼")),
    }


def full_hold() -> Hold:
    """A hold of two buckets."""
    return Hold((Part(SOON, HUGE), Part(Terms("correction:x", NOW), 3)), NOW, HUGE)


def open_row(key: Key, *, due_s: float = 0, expires_s: float = 3600) -> OpenRow:
    """A row of the open index; the seconds count from NOW."""
    due_at, expires_at = NOW + timedelta(seconds=due_s), NOW + timedelta(seconds=expires_s)
    return OpenRow(key=key, due_at=due_at, expires_at=expires_at, written_at=NOW)


async def give(store: Store, user_id: str, amount: int = 1000) -> Account:
    """Grant credits to a new account."""
    given = moves.grant(Account(account_id=user_id), amount, grant_id="welcome", posting=Posting(at=NOW))
    await store.post(given.account, "", given.entries)
    return given.account
