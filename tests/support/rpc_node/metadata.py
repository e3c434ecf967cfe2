"""A runtime's metadata (version 15), as small as the SDK's codec takes it.

It describes the storage, the runtime calls, the calls and the events that this project uses, in
the shapes of the chain's runtime.
"""

from __future__ import annotations

from functools import cache

from tests.support.rpc_node.registry import (
    IDENTITY,
    NOTHING,
    TWOX64_CONCAT,
    Registry,
    compact,
    constant,
    of_named,
    of_one,
    pallet,
    storage_map,
    storage_value,
    text,
    vec,
)
from tests.support.substrate.pallets import CONSTANTS, DEFAULTS, C, S

SYSTEM, TIMESTAMP, SUBTENSOR, COMMITMENTS = 0, 2, 7, 18  # places of the pallets in the runtime
_SIGNED = 4  # version of the extrinsic format
_PREFIX = "node_subtensor_runtime"

# Names that the chain gives for a call that fails, by pallet; the place is the error's number.
ERRORS = {
    S: (
        "NotEnoughStakeToSetWeights",
        "IncorrectWeightVersionKey",
        "SettingWeightsTooFast",
        "NeuronNoValidatorPermit",
        "UidVecContainInvalidOne",
        "WeightVecLengthIsLow",
        "MaxWeightExceeded",
        "HotKeyNotRegisteredInSubNet",
        "CommitRevealEnabled",
        "CommitRevealDisabled",
        "IncorrectCommitRevealVersion",
        "CommittingWeightsTooFast",
        "TooManyUnrevealedCommits",
    ),
    C: ("AccountNotAllowedCommit", "TooManyFieldsInCommitmentInfo", "SpaceLimitExceeded"),
}
INDEX = {S: SUBTENSOR, C: COMMITMENTS}


@cache
def metadata(lacks: frozenset[str] = frozenset()) -> bytes:
    """The blob that a node sends, without the storage of subnets that it lacks."""
    r = Registry()
    account = r.record("sp_core::crypto::AccountId32", of=r.array(r.primitive("u8"), 32))
    pallets, call, event = _pallets(r, account, lacks)
    address = r.variants("sp_runtime::multiaddress::MultiAddress", {"Id": of_one(account)})
    extensions, runtime_calls = _extensions(r), _runtime_calls(r, account)
    extrinsic = bytes([_SIGNED]) + b"".join(
        compact(t) for t in (address, call, _signature(r), r.tuple_of())
    )
    errors = r.variants(f"{_PREFIX}::RuntimeError", {})
    runtime = compact(r.tuple_of())
    return b"".join(
        (
            b"meta",
            bytes([15]),
            r.encoded(),
            vec(pallets),
            extrinsic + vec(extensions),
            runtime,
            vec(runtime_calls),
            compact(call) + compact(event) + compact(errors),
            NOTHING,
        )
    )


def _pallets(r: Registry, account: int, lacks: frozenset[str]) -> tuple[list[bytes], int, int]:
    """The pallets, and the types of all calls and of all events."""
    u16, u64 = r.primitive("u16"), r.primitive("u64")
    calls = {
        "Timestamp": (TIMESTAMP, {"set": of_named(now=r.compact(u64))}),
        S: (SUBTENSOR, _weight_calls(r)),
        C: (COMMITMENTS, {"set_commitment": of_named(netuid=u16, info=_commitment(r))}),
    }
    of_pallet = {
        name: r.variants(f"pallet_{name}::pallet::Call", cases)
        for name, (_, cases) in calls.items()
    }
    call = r.variants(
        f"{_PREFIX}::RuntimeCall",
        {name: of_one(of) for name, of in of_pallet.items()},
        numbers=[number for number, _ in calls.values()],
    )
    errors = {
        name: r.variants(f"pallet_{name}::pallet::Error", dict.fromkeys(names, NOTHING))
        for name, names in ERRORS.items()
    }
    of_system = _system_events(r)
    event = r.variants(f"{_PREFIX}::RuntimeEvent", {"System": of_one(of_system)})
    record = r.record(
        "frame_system::EventRecord",
        {"phase": _phase(r), "event": event, "topics": r.sequence(_hash(r))},
    )
    system = [
        storage_value("Number", r.primitive("u32"), bytes(4)),
        storage_value("Events", r.sequence(record), b"\0"),
    ]
    slot = constant("SlotDuration", u64, _u64(CONSTANTS["Aura", "SlotDuration"]))
    stamp = storage_value("Now", u64, bytes(8))
    storage = _subnets(r, account)
    subnets = [one for name, one in storage.items() if name not in lacks]
    listed = [
        pallet("System", SYSTEM, system, events=of_system),
        pallet("Timestamp", TIMESTAMP, [stamp], calls=of_pallet["Timestamp"]),
        pallet("Aura", 3, constants=[slot]),
        pallet(S, SUBTENSOR, subnets, calls=of_pallet[S], errors=errors[S]),
        pallet(
            C,
            COMMITMENTS,
            _commitments(r, account),
            calls=of_pallet[C],
            errors=errors[C],
            constants=_commitment_constants(r),
        ),
    ]
    return listed, call, event


def _subnets(r: Registry, account: int) -> dict[str, bytes]:
    """Storage of the pallet of subnets, by name."""
    u16, u64, flag = (r.primitive(name) for name in ("u16", "u64", "bool"))
    blob = r.sequence(r.primitive("u8"))
    consensus = r.variants("EpochConsensus", {"Yuma": NOTHING, "Null": NOTHING})
    row = r.sequence(r.tuple_of(u16, u16))
    sealed = r.sequence(r.tuple_of(account, u64, blob, u64))
    default = int(bool(DEFAULTS[S, "CommitRevealWeightsEnabled"]))
    by_subnet = (
        ("TokenSymbol", blob, b"\0"),
        ("Tempo", u16, bytes(2)),
        ("CommitRevealWeightsEnabled", flag, bytes([default])),
        ("WeightsSetRateLimit", u64, _u64(100)),
        ("MinAllowedWeights", u16, bytes(2)),
        ("MaxWeightsLimit", u16, b"\xff\xff"),
        ("LastUpdate", r.sequence(u64), b"\0"),
        ("ValidatorPermit", r.sequence(flag), b"\0"),
        ("Consensus", r.sequence(u16), b"\0"),
        ("ValidatorTrust", r.sequence(u16), b"\0"),
        ("SubnetEpochConsensus", consensus, b"\0"),
        ("RevealPeriodEpochs", u64, _u64(1)),
        ("LastEpochBlock", u64, bytes(8)),
        ("PendingEpochAt", u64, bytes(8)),
        ("SubnetEpochIndex", u64, bytes(8)),
        ("BlocksSinceLastStep", u64, bytes(8)),
    )
    storage = {name: storage_map(name, [IDENTITY], u16, of, empty) for name, of, empty in by_subnet}
    for name, hashers, key, of, empty in (
        ("Uids", [IDENTITY, TWOX64_CONCAT], r.tuple_of(u16, account), u16, None),
        ("Weights", [IDENTITY, IDENTITY], r.tuple_of(u16, u16), row, b"\0"),
        ("TimelockedWeightCommits", [TWOX64_CONCAT] * 2, r.tuple_of(u16, u64), sealed, b"\0"),
    ):
        storage[name] = storage_map(name, hashers, key, of, empty)
    return storage | {"StakeThreshold": storage_value("StakeThreshold", u64, bytes(8))}


def _weight_calls(r: Registry) -> dict[str, bytes]:
    u8, u16, u64 = (r.primitive(name) for name in ("u8", "u16", "u64"))
    row = r.sequence(u16)
    return {
        "set_mechanism_weights": of_named(
            netuid=u16, mecid=u8, dests=row, weights=row, version_key=u64
        ),
        "commit_timelocked_mechanism_weights": of_named(
            netuid=u16,
            mecid=u8,
            commit=r.sequence(u8),
            reveal_round=u64,
            commit_reveal_version=u16,
        ),
    }


def _commitments(r: Registry, account: int) -> list[bytes]:
    u16, u32, u64 = (r.primitive(name) for name in ("u16", "u32", "u64"))
    of_neuron, by_neuron = r.tuple_of(u16, account), [IDENTITY, TWOX64_CONCAT]
    reveals = r.sequence(r.tuple_of(r.sequence(r.primitive("u8")), u64))
    registration = r.record(
        "pallet_commitments::types::Registration",
        {"deposit": u64, "block": u32, "info": _commitment(r)},
    )
    usage = r.record(
        "pallet_commitments::types::UsageTracker", {"last_epoch": u64, "used_space": u64}
    )
    space = DEFAULTS[C, "MaxSpace"]
    return [
        storage_map("CommitmentOf", by_neuron, of_neuron, registration, None),
        storage_map("RevealedCommitments", by_neuron, of_neuron, reveals, None),
        storage_map("UsedSpaceOf", by_neuron, of_neuron, usage, None),
        storage_value("MaxSpace", u32, int(str(space)).to_bytes(4, "little")),
    ]


def _commitment_constants(r: Registry) -> list[bytes]:
    u32, u64 = r.primitive("u32"), r.primitive("u64")
    return [
        constant("MaxFields", u32, CONSTANTS[C, "MaxFields"].to_bytes(4, "little")),
        constant("InitialDeposit", u64, _u64(CONSTANTS[C, "InitialDeposit"])),
        constant("FieldDeposit", u64, _u64(CONSTANTS[C, "FieldDeposit"])),
    ]


def _commitment(r: Registry) -> int:
    """What a hotkey commits to: a list of fields."""
    u8, u64 = r.primitive("u8"), r.primitive("u64")
    blob = r.sequence(u8)
    cases = {"None": NOTHING}
    cases |= {f"Raw{n}": of_one(r.array(u8, n)) for n in range(129)}
    cases |= {"Sha256": of_one(r.array(u8, 32))}
    cases |= {"TimelockEncrypted": of_named(encrypted=blob, reveal_round=u64)}
    cases |= {"BigRaw": of_one(blob)}
    cases |= {"TimelockRevealFailed": of_named(reveal_round=u64)}
    data = r.variants("pallet_commitments::types::Data", cases)
    return r.record("pallet_commitments::types::CommitmentInfo", {"fields": r.sequence(data)})


def _system_events(r: Registry) -> int:
    """What becomes of an extrinsic."""
    u8 = r.primitive("u8")
    module = r.record("sp_runtime::ModuleError", {"index": u8, "error": r.array(u8, 4)})
    error = r.variants(
        "sp_runtime::DispatchError",
        {"Other": NOTHING, "CannotLookup": NOTHING, "BadOrigin": NOTHING, "Module": of_one(module)},
    )
    info = r.record(
        "frame_support::dispatch::DispatchInfo",
        {"weight": _weight(r), "class": _dispatch_class(r), "pays_fee": _pays_fee(r)},
    )
    return r.variants(
        "frame_system::pallet::Event",
        {
            "ExtrinsicSuccess": of_named(dispatch_info=info),
            "ExtrinsicFailed": of_named(dispatch_error=error, dispatch_info=info),
        },
    )


def _weight(r: Registry) -> int:
    size = r.compact(r.primitive("u64"))
    return r.record("sp_weights::weight_v2::Weight", {"ref_time": size, "proof_size": size})


def _dispatch_class(r: Registry) -> int:
    kinds = ("Normal", "Operational", "Mandatory")
    return r.variants("frame_support::dispatch::DispatchClass", dict.fromkeys(kinds, NOTHING))


def _pays_fee(r: Registry) -> int:
    return r.variants("frame_support::dispatch::Pays", {"Yes": NOTHING, "No": NOTHING})


def _phase(r: Registry) -> int:
    cases = {"ApplyExtrinsic": of_one(r.primitive("u32"))}
    cases |= {"Finalization": NOTHING, "Initialization": NOTHING}
    return r.variants("frame_system::Phase", cases)


def _hash(r: Registry) -> int:
    return r.record("primitive_types::H256", of=r.array(r.primitive("u8"), 32))


def _signature(r: Registry) -> int:
    u8 = r.primitive("u8")
    of_64, of_65 = of_one(r.array(u8, 64)), of_one(r.array(u8, 65))
    kinds = {"Ed25519": of_64, "Sr25519": of_64, "Ecdsa": of_65}
    return r.variants("sp_runtime::MultiSignature", kinds)


def _extensions(r: Registry) -> list[bytes]:
    """What an extrinsic is signed with: the value in it, and what is signed beside it."""
    nothing, u32, u64, u8 = r.tuple_of(), *(r.primitive(name) for name in ("u32", "u64", "u8"))
    eras = {"Immortal": NOTHING} | {f"Mortal{n}": of_one(u8) for n in range(1, 256)}
    era = r.variants("sp_runtime::generic::era::Era", eras)
    return [
        text(name) + compact(of) + compact(beside)
        for name, of, beside in (
            ("CheckSpecVersion", nothing, u32),
            ("CheckTxVersion", nothing, u32),
            ("CheckGenesis", nothing, _hash(r)),
            ("CheckMortality", era, _hash(r)),
            ("CheckNonce", r.compact(u32), nothing),
            ("ChargeTransactionPayment", r.compact(u64), nothing),
        )
    ]


def _runtime_calls(r: Registry, account: int) -> list[bytes]:
    u16, u32, u64 = (r.primitive(name) for name in ("u16", "u32", "u64"))
    fee = r.record(
        "pallet_transaction_payment::types::RuntimeDispatchInfo",
        {"weight": _weight(r), "class": _dispatch_class(r), "partial_fee": u64},
    )
    extrinsic = r.sequence(r.primitive("u8"))
    return [
        _api(
            "SubnetInfoRuntimeApi",
            "get_metagraph",
            {"netuid": u16},
            r.option(_metagraph(r, account)),
        ),
        _api("TransactionPaymentApi", "query_info", {"uxt": extrinsic, "len": u32}, fee),
    ]


def _api(name: str, method: str, inputs: dict[str, int], output: int) -> bytes:
    """A runtime API of one method."""
    listed = vec([text(one) + compact(of) for one, of in inputs.items()])
    described = text(method) + listed + compact(output) + NOTHING
    return text(name) + vec([described]) + NOTHING


def _metagraph(r: Registry, account: int) -> int:
    """The columns that this project and the SDK's weights read, of the several dozen there are."""
    u16, u64 = r.compact(r.primitive("u16")), r.compact(r.primitive("u64"))
    flag = r.primitive("bool")
    accounts, counts = r.sequence(account), r.sequence(u64)
    return r.record(
        "subtensor::rpc_info::metagraph::Metagraph",
        {
            "netuid": u16,
            "block": u64,
            "tempo": u16,
            "num_uids": u16,
            "owner_hotkey": account,
            "hotkeys": accounts,
            "coldkeys": accounts,
            "validator_permit": r.sequence(flag),
            "last_update": counts,
            "block_at_registration": counts,
            "incentives": r.sequence(u16),
            "total_stake": counts,
            "min_allowed_weights": u16,
            "max_weights_limit": u16,
            "weights_version": u64,
            "weights_rate_limit": u64,
            "commit_reveal_weights_enabled": flag,
            "commit_reveal_period": u64,
        },
    )


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "little")
