SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.acceptance (
    id bigint NOT NULL,
    series_key character varying(64) NOT NULL,
    change_id bigint NOT NULL,
    run_id bigint NOT NULL,
    until_run_id bigint NOT NULL,
    reason text NOT NULL,
    accepted_by character varying(1024) NOT NULL,
    accepted_ns bigint NOT NULL,
    withdrawn_ns bigint
);
CREATE SEQUENCE public.acceptance_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.acceptance_id_seq OWNED BY public.acceptance.id;
CREATE TABLE public.accuracy_sample (
    attempt_id bigint NOT NULL,
    seq bigint NOT NULL,
    test_id bigint,
    variant_id bigint NOT NULL,
    task character varying(1024) NOT NULL,
    dataset character varying NOT NULL,
    item character varying(1024) NOT NULL,
    prompt character varying NOT NULL,
    decode_seed bigint NOT NULL,
    outcome character varying(1024) NOT NULL,
    score double precision,
    blob character varying
);
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.artifact (
    attempt_id bigint NOT NULL,
    name character varying(1024) NOT NULL,
    sha256 character varying(64) NOT NULL,
    size bigint NOT NULL,
    media_type character varying(1024) NOT NULL
);
CREATE TABLE public.attempt (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    task_id bigint NOT NULL,
    number bigint NOT NULL,
    state character varying(24) NOT NULL,
    reason text NOT NULL,
    failure_class character varying,
    failure_source character varying,
    confidence double precision,
    executor character varying(1024) NOT NULL,
    pool character varying(1024) NOT NULL,
    holder character varying,
    fence bigint NOT NULL,
    token_sha256 character varying(64) NOT NULL,
    boot_id character varying(1024) NOT NULL,
    lease_expires_mono_ns bigint NOT NULL,
    exit_code integer,
    created_ns bigint NOT NULL,
    started_ns bigint,
    ended_ns bigint,
    acked_seq bigint NOT NULL,
    acked_bytes bigint NOT NULL,
    in_flight json NOT NULL,
    environment_id bigint,
    device_id bigint,
    evidence json,
    observed_digest character varying,
    purpose character varying(1024) DEFAULT 'result'::character varying NOT NULL,
    invalidation_id bigint,
    cpus bigint DEFAULT '1'::bigint NOT NULL,
    CONSTRAINT ck_attempt_state CHECK (((state)::text = ANY (ARRAY[('leased'::character varying)::text, ('started'::character varying)::text, ('passed'::character varying)::text, ('failed'::character varying)::text, ('errored'::character varying)::text, ('timed_out'::character varying)::text, ('lost'::character varying)::text, ('preempted'::character varying)::text, ('cancelled'::character varying)::text])))
);
CREATE SEQUENCE public.attempt_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.attempt_id_seq OWNED BY public.attempt.id;
CREATE TABLE public.audit (
    id bigint NOT NULL,
    at_ns bigint NOT NULL,
    actor character varying(1024) NOT NULL,
    action character varying(1024) NOT NULL,
    target character varying(1024) NOT NULL,
    outcome character varying(1024) NOT NULL,
    address character varying(1024) NOT NULL,
    detail json NOT NULL,
    run_id bigint,
    reason text NOT NULL
);
CREATE SEQUENCE public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_id_seq OWNED BY public.audit.id;
CREATE TABLE public.blob (
    sha256 character varying(64) NOT NULL,
    size bigint NOT NULL
);
CREATE TABLE public.cell (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    key character varying(1024) NOT NULL,
    task character varying(1024) NOT NULL,
    platform character varying(1024) NOT NULL,
    variant_id bigint NOT NULL,
    required character varying(1024) NOT NULL,
    requires json NOT NULL,
    inventory_digest character varying,
    left_out bigint NOT NULL,
    state character varying(24) NOT NULL,
    verdict character varying,
    reason text NOT NULL,
    failure_class character varying,
    CONSTRAINT ck_cell_state CHECK (((state)::text = ANY (ARRAY[('waiting'::character varying)::text, ('queued'::character varying)::text, ('running'::character varying)::text, ('done'::character varying)::text, ('reused'::character varying)::text, ('precluded'::character varying)::text, ('not_executable'::character varying)::text, ('cancelled'::character varying)::text])))
);
CREATE SEQUENCE public.cell_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.cell_id_seq OWNED BY public.cell.id;
CREATE TABLE public.collected (
    attempt_id bigint NOT NULL,
    test_id bigint NOT NULL
);
CREATE TABLE public.comparison (
    run_id bigint NOT NULL,
    series_key character varying(64) NOT NULL,
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    metric character varying(1024) NOT NULL,
    outcome character varying(1024) NOT NULL,
    estimate double precision,
    low double precision,
    high double precision,
    baseline_points bigint NOT NULL,
    reason text NOT NULL,
    body json NOT NULL
);
CREATE TABLE public.confirmation (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    run_id bigint NOT NULL,
    change_id bigint,
    state character varying(1024) NOT NULL,
    answer character varying,
    reason text NOT NULL,
    budget_seconds bigint NOT NULL,
    body json NOT NULL,
    result json,
    requested_by character varying(1024) NOT NULL,
    created_ns bigint NOT NULL,
    decided_ns bigint
);
CREATE SEQUENCE public.confirmation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.confirmation_id_seq OWNED BY public.confirmation.id;
CREATE TABLE public.coverage (
    run_id bigint NOT NULL,
    attempt_id bigint NOT NULL,
    suite character varying(1024) NOT NULL,
    platform character varying(1024) NOT NULL,
    language character varying(1024) NOT NULL,
    path character varying(1024) NOT NULL,
    file_sha256 character varying(64) NOT NULL,
    executable bytea NOT NULL,
    hit bytea NOT NULL
);
CREATE TABLE public.detector_check (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    checked_ns bigint NOT NULL,
    seed bigint NOT NULL,
    series bigint NOT NULL,
    body json NOT NULL
);
CREATE SEQUENCE public.detector_check_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.detector_check_id_seq OWNED BY public.detector_check.id;
CREATE TABLE public.device (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    identity character varying(1024) NOT NULL,
    pool character varying(1024) NOT NULL,
    kind character varying(1024) NOT NULL,
    executor character varying(1024) NOT NULL,
    facts json NOT NULL,
    health character varying(24) NOT NULL,
    reason text NOT NULL,
    changed_ns bigint NOT NULL,
    last_seen_ns bigint NOT NULL,
    CONSTRAINT ck_device_health CHECK (((health)::text = ANY (ARRAY[('good'::character varying)::text, ('suspect'::character varying)::text, ('bad'::character varying)::text, ('maintenance'::character varying)::text, ('retired'::character varying)::text])))
);
CREATE TABLE public.device_evidence (
    id bigint NOT NULL,
    device_id bigint NOT NULL,
    attempt_id bigint,
    kind character varying(1024) NOT NULL,
    failure_class character varying,
    source character varying(1024) NOT NULL,
    confidence double precision NOT NULL,
    detail text NOT NULL,
    at_ns bigint NOT NULL
);
CREATE SEQUENCE public.device_evidence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.device_evidence_id_seq OWNED BY public.device_evidence.id;
CREATE SEQUENCE public.device_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.device_id_seq OWNED BY public.device.id;
CREATE TABLE public.differential (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    device_id bigint NOT NULL,
    attempt_id bigint NOT NULL,
    state character varying(1024) NOT NULL,
    body json NOT NULL,
    conclusion character varying,
    created_ns bigint NOT NULL
);
CREATE SEQUENCE public.differential_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.differential_id_seq OWNED BY public.differential.id;
CREATE TABLE public.edge (
    run_id bigint NOT NULL,
    from_task_id bigint NOT NULL,
    to_task_id bigint NOT NULL,
    kind character varying NOT NULL
);
CREATE TABLE public.environment (
    id bigint NOT NULL,
    sha256 character varying(64) NOT NULL,
    fields json NOT NULL
);
CREATE SEQUENCE public.environment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.environment_id_seq OWNED BY public.environment.id;
CREATE TABLE public.exoneration (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    test_id bigint,
    variant_id bigint,
    kind character varying(1024) NOT NULL,
    reason text NOT NULL,
    evidence json NOT NULL,
    created_ns bigint NOT NULL
);
CREATE SEQUENCE public.exoneration_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.exoneration_id_seq OWNED BY public.exoneration.id;
CREATE TABLE public.finding (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    kind character varying(1024) NOT NULL,
    text text NOT NULL,
    body json NOT NULL
);
CREATE SEQUENCE public.finding_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.finding_id_seq OWNED BY public.finding.id;
CREATE TABLE public.firing (
    id bigint NOT NULL,
    schedule character varying(1024) NOT NULL,
    due character varying(1024) NOT NULL,
    run_id bigint,
    outcome text NOT NULL,
    at_ns bigint NOT NULL
);
CREATE SEQUENCE public.firing_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.firing_id_seq OWNED BY public.firing.id;
CREATE TABLE public.history (
    id bigint NOT NULL,
    entity character varying(1024) NOT NULL,
    entity_id bigint NOT NULL,
    from_state character varying,
    to_state character varying NOT NULL,
    reason text NOT NULL,
    at_ns bigint NOT NULL,
    by character varying(1024) NOT NULL
);
CREATE SEQUENCE public.history_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.history_id_seq OWNED BY public.history.id;
CREATE TABLE public.hold (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    attempt_id bigint NOT NULL,
    cpus bigint NOT NULL,
    reason text NOT NULL,
    held_by character varying(1024) NOT NULL,
    boot_id character varying(1024) NOT NULL,
    until_mono_ns bigint NOT NULL,
    until_ns bigint NOT NULL,
    released_ns bigint
);
CREATE SEQUENCE public.hold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.hold_id_seq OWNED BY public.hold.id;
CREATE TABLE public.invalidation (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    predicate json NOT NULL,
    reason text NOT NULL,
    requested_by character varying(1024) NOT NULL,
    attempts bigint NOT NULL,
    created_ns bigint NOT NULL,
    withdrawn_ns bigint
);
CREATE SEQUENCE public.invalidation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.invalidation_id_seq OWNED BY public.invalidation.id;
CREATE TABLE public.inventory (
    digest character varying(64) NOT NULL,
    sha256 character varying(64) NOT NULL,
    tests bigint NOT NULL
);
CREATE TABLE public.kernel_error (
    run_id bigint NOT NULL,
    kernel character varying(1024) NOT NULL,
    dtype character varying(1024) NOT NULL,
    shape character varying(1024) NOT NULL,
    arch character varying(1024) NOT NULL,
    cases bigint NOT NULL,
    ulp json NOT NULL,
    relative json NOT NULL,
    over_bound double precision NOT NULL,
    ulp_level double precision NOT NULL,
    relative_level double precision NOT NULL
);
CREATE TABLE public.lock (
    name character varying(1024) NOT NULL,
    holder character varying NOT NULL,
    boot_id character varying(1024) NOT NULL,
    mono_ns bigint NOT NULL,
    info json NOT NULL,
    fence bigint DEFAULT '0'::bigint NOT NULL
);
CREATE TABLE public.log_chunk (
    attempt_id bigint NOT NULL,
    stream character varying(1024) NOT NULL,
    "offset" bigint NOT NULL,
    size bigint NOT NULL,
    sha256 character varying(64) NOT NULL
);
CREATE TABLE public.login (
    id bigint NOT NULL,
    cookie_sha256 character varying(64) NOT NULL,
    subject character varying(1024) NOT NULL,
    name character varying(1024) NOT NULL,
    role character varying(24) NOT NULL,
    created_ns bigint NOT NULL,
    expires_ns bigint NOT NULL,
    revoked_ns bigint,
    CONSTRAINT ck_login_role CHECK (((role)::text = ANY (ARRAY[('viewer'::character varying)::text, ('developer'::character varying)::text, ('operator'::character varying)::text, ('admin'::character varying)::text])))
);
CREATE SEQUENCE public.login_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.login_id_seq OWNED BY public.login.id;
CREATE TABLE public.measurement (
    month bigint NOT NULL,
    attempt_id bigint NOT NULL,
    seq bigint NOT NULL,
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    metric character varying(1024) NOT NULL,
    version bigint NOT NULL,
    unit character varying(1024) NOT NULL,
    value double precision NOT NULL,
    estimator character varying(1024) NOT NULL,
    replicates json NOT NULL,
    launches json NOT NULL,
    "inner" bigint NOT NULL,
    probe_metric character varying,
    probe_value double precision,
    canary double precision,
    valid boolean NOT NULL,
    reason text NOT NULL,
    definition character varying NOT NULL,
    environment_class character varying,
    series_key character varying
)
PARTITION BY RANGE (month);
CREATE TABLE public.measurement_202310 (
    month bigint CONSTRAINT measurement_month_not_null NOT NULL,
    attempt_id bigint CONSTRAINT measurement_attempt_id_not_null NOT NULL,
    seq bigint CONSTRAINT measurement_seq_not_null NOT NULL,
    test_id bigint CONSTRAINT measurement_test_id_not_null NOT NULL,
    variant_id bigint CONSTRAINT measurement_variant_id_not_null NOT NULL,
    metric character varying(1024) CONSTRAINT measurement_metric_not_null NOT NULL,
    version bigint CONSTRAINT measurement_version_not_null NOT NULL,
    unit character varying(1024) CONSTRAINT measurement_unit_not_null NOT NULL,
    value double precision CONSTRAINT measurement_value_not_null NOT NULL,
    estimator character varying(1024) CONSTRAINT measurement_estimator_not_null NOT NULL,
    replicates json CONSTRAINT measurement_replicates_not_null NOT NULL,
    launches json CONSTRAINT measurement_launches_not_null NOT NULL,
    "inner" bigint CONSTRAINT measurement_inner_not_null NOT NULL,
    probe_metric character varying,
    probe_value double precision,
    canary double precision,
    valid boolean CONSTRAINT measurement_valid_not_null NOT NULL,
    reason text CONSTRAINT measurement_reason_not_null NOT NULL,
    definition character varying CONSTRAINT measurement_definition_not_null NOT NULL,
    environment_class character varying,
    series_key character varying
);
CREATE TABLE public.measurement_202311 (
    month bigint CONSTRAINT measurement_month_not_null NOT NULL,
    attempt_id bigint CONSTRAINT measurement_attempt_id_not_null NOT NULL,
    seq bigint CONSTRAINT measurement_seq_not_null NOT NULL,
    test_id bigint CONSTRAINT measurement_test_id_not_null NOT NULL,
    variant_id bigint CONSTRAINT measurement_variant_id_not_null NOT NULL,
    metric character varying(1024) CONSTRAINT measurement_metric_not_null NOT NULL,
    version bigint CONSTRAINT measurement_version_not_null NOT NULL,
    unit character varying(1024) CONSTRAINT measurement_unit_not_null NOT NULL,
    value double precision CONSTRAINT measurement_value_not_null NOT NULL,
    estimator character varying(1024) CONSTRAINT measurement_estimator_not_null NOT NULL,
    replicates json CONSTRAINT measurement_replicates_not_null NOT NULL,
    launches json CONSTRAINT measurement_launches_not_null NOT NULL,
    "inner" bigint CONSTRAINT measurement_inner_not_null NOT NULL,
    probe_metric character varying,
    probe_value double precision,
    canary double precision,
    valid boolean CONSTRAINT measurement_valid_not_null NOT NULL,
    reason text CONSTRAINT measurement_reason_not_null NOT NULL,
    definition character varying CONSTRAINT measurement_definition_not_null NOT NULL,
    environment_class character varying,
    series_key character varying
);
CREATE TABLE public.measurement_default (
    month bigint CONSTRAINT measurement_month_not_null NOT NULL,
    attempt_id bigint CONSTRAINT measurement_attempt_id_not_null NOT NULL,
    seq bigint CONSTRAINT measurement_seq_not_null NOT NULL,
    test_id bigint CONSTRAINT measurement_test_id_not_null NOT NULL,
    variant_id bigint CONSTRAINT measurement_variant_id_not_null NOT NULL,
    metric character varying(1024) CONSTRAINT measurement_metric_not_null NOT NULL,
    version bigint CONSTRAINT measurement_version_not_null NOT NULL,
    unit character varying(1024) CONSTRAINT measurement_unit_not_null NOT NULL,
    value double precision CONSTRAINT measurement_value_not_null NOT NULL,
    estimator character varying(1024) CONSTRAINT measurement_estimator_not_null NOT NULL,
    replicates json CONSTRAINT measurement_replicates_not_null NOT NULL,
    launches json CONSTRAINT measurement_launches_not_null NOT NULL,
    "inner" bigint CONSTRAINT measurement_inner_not_null NOT NULL,
    probe_metric character varying,
    probe_value double precision,
    canary double precision,
    valid boolean CONSTRAINT measurement_valid_not_null NOT NULL,
    reason text CONSTRAINT measurement_reason_not_null NOT NULL,
    definition character varying CONSTRAINT measurement_definition_not_null NOT NULL,
    environment_class character varying,
    series_key character varying
);
CREATE TABLE public.measurement_month (
    series_key character varying(64) NOT NULL,
    month bigint NOT NULL,
    points bigint NOT NULL,
    invalid bigint NOT NULL,
    lowest double precision,
    highest double precision,
    median double precision,
    quantiles json NOT NULL,
    seen bigint NOT NULL
);
CREATE TABLE public.message (
    id bigint NOT NULL,
    sha256 character varying(64) NOT NULL,
    text text NOT NULL
);
CREATE SEQUENCE public.message_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.message_id_seq OWNED BY public.message.id;
CREATE TABLE public.outbox (
    id bigint NOT NULL,
    topic character varying(1024) NOT NULL,
    run_id bigint,
    payload json NOT NULL,
    created_ns bigint NOT NULL,
    delivered_ns bigint
);
CREATE SEQUENCE public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.outbox_id_seq OWNED BY public.outbox.id;
CREATE TABLE public.quarantine (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    state character varying(1024) NOT NULL,
    owner character varying(1024) NOT NULL,
    bug character varying(1024) NOT NULL,
    reason text NOT NULL,
    signatures json NOT NULL,
    limit_rate double precision NOT NULL,
    confidence double precision NOT NULL,
    since_ns bigint NOT NULL,
    expires_ns bigint NOT NULL,
    requested_by character varying(1024) NOT NULL,
    created_ns bigint NOT NULL,
    ended_ns bigint,
    ended_reason text NOT NULL
);
CREATE SEQUENCE public.quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.quarantine_id_seq OWNED BY public.quarantine.id;
CREATE TABLE public.record (
    attempt_id bigint NOT NULL,
    seq bigint NOT NULL,
    kind character varying(1024) NOT NULL,
    body json NOT NULL
);
CREATE TABLE public.recorded_inventory (
    pipeline character varying(1024) NOT NULL,
    cell_key character varying(1024) NOT NULL,
    digest character varying(64) NOT NULL,
    run_id bigint NOT NULL
);
CREATE TABLE public.request (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    kind character varying(24) NOT NULL,
    run_id bigint,
    payload json NOT NULL,
    state character varying(24) NOT NULL,
    reason text NOT NULL,
    requested_by character varying(1024) NOT NULL,
    created_ns bigint NOT NULL,
    CONSTRAINT ck_request_kind CHECK (((kind)::text = ANY (ARRAY[('run'::character varying)::text, ('cancel'::character varying)::text, ('retry'::character varying)::text, ('release'::character varying)::text, ('device'::character varying)::text]))),
    CONSTRAINT ck_request_state CHECK (((state)::text = ANY (ARRAY[('open'::character varying)::text, ('done'::character varying)::text, ('refused'::character varying)::text])))
);
CREATE SEQUENCE public.request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.request_id_seq OWNED BY public.request.id;
CREATE TABLE public.result (
    attempt_id bigint NOT NULL,
    seq bigint NOT NULL,
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    try_number bigint NOT NULL,
    outcome character varying(1024) NOT NULL,
    failure_class character varying,
    duration_ns bigint NOT NULL,
    message_id bigint,
    detail_id bigint,
    environment_class character varying,
    params json,
    metrics json
);
CREATE TABLE public.result_month (
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    month bigint NOT NULL,
    passed bigint NOT NULL,
    failed bigint NOT NULL,
    other bigint NOT NULL,
    duration_ns bigint NOT NULL,
    seen bigint NOT NULL
);
CREATE TABLE public.run (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    number bigint NOT NULL,
    pipeline character varying(1024) NOT NULL,
    source_stamp_id bigint NOT NULL,
    plan_digest character varying(64) NOT NULL,
    plan_sha256 character varying(64) NOT NULL,
    state character varying(24) NOT NULL,
    verdict character varying(24),
    reason text NOT NULL,
    headline text NOT NULL,
    parent_run_id bigint,
    requested_by character varying(1024) NOT NULL,
    created_ns bigint NOT NULL,
    started_ns bigint,
    finalized_ns bigint,
    cancel_requested_ns bigint,
    priority character varying(24) DEFAULT 'developer'::character varying NOT NULL,
    team character varying(1024) DEFAULT 'default'::character varying NOT NULL,
    change character varying,
    superseded_by_run_id bigint,
    merge_base character varying,
    is_trusted boolean DEFAULT true NOT NULL,
    hold_seconds bigint DEFAULT '0'::bigint NOT NULL,
    options json DEFAULT '{}'::json NOT NULL,
    purpose character varying(1024) DEFAULT 'result'::character varying NOT NULL,
    CONSTRAINT ck_run_priority CHECK (((priority)::text = ANY (ARRAY[('gate'::character varying)::text, ('pre-merge'::character varying)::text, ('developer'::character varying)::text, ('nightly'::character varying)::text, ('backfill'::character varying)::text]))),
    CONSTRAINT ck_run_state CHECK (((state)::text = ANY (ARRAY[('planned'::character varying)::text, ('running'::character varying)::text, ('finalizing'::character varying)::text, ('finalized'::character varying)::text, ('cancelled'::character varying)::text]))),
    CONSTRAINT ck_run_verdict CHECK (((verdict)::text = ANY (ARRAY[('passed'::character varying)::text, ('failed'::character varying)::text, ('errored'::character varying)::text, ('incomplete'::character varying)::text, ('cancelled'::character varying)::text])))
);
CREATE SEQUENCE public.run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.run_id_seq OWNED BY public.run.id;
CREATE TABLE public.schedule (
    name character varying(1024) NOT NULL,
    definition json NOT NULL,
    next_ns bigint,
    paused boolean NOT NULL
);
CREATE TABLE public.series_change (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    series_key character varying(64) NOT NULL,
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    metric character varying(1024) NOT NULL,
    kind character varying(1024) NOT NULL,
    "position" bigint,
    run_id bigint NOT NULL,
    after_run_id bigint,
    until_run_id bigint NOT NULL,
    before double precision NOT NULL,
    after double precision NOT NULL,
    confidence double precision NOT NULL,
    effect double precision,
    direction character varying(1024) NOT NULL,
    state character varying(1024) NOT NULL,
    reason text NOT NULL,
    cause character varying,
    noticed_run_id bigint NOT NULL,
    withdrawn_run_id bigint,
    label character varying,
    labelled_by character varying,
    labelled_ns bigint,
    operators character varying
);
CREATE SEQUENCE public.series_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.series_change_id_seq OWNED BY public.series_change.id;
CREATE TABLE public.series_noise (
    series_key character varying(64) NOT NULL,
    metric character varying(1024) NOT NULL,
    environment_class character varying(1024) NOT NULL,
    run_id bigint NOT NULL,
    updated_ns bigint NOT NULL,
    is_stale boolean NOT NULL,
    attempts bigint NOT NULL,
    codes bigint NOT NULL,
    within_squares double precision NOT NULL,
    process_squares double precision NOT NULL,
    run_squares double precision NOT NULL,
    build_squares double precision NOT NULL,
    process_size double precision NOT NULL,
    build_size double precision NOT NULL,
    within_freedom bigint NOT NULL,
    process_freedom bigint NOT NULL,
    run_freedom bigint NOT NULL,
    build_freedom bigint NOT NULL
);
CREATE TABLE public.series_point (
    series_key character varying(64) NOT NULL,
    run_id bigint NOT NULL,
    "position" bigint,
    reason text NOT NULL
);
CREATE TABLE public.series_state (
    series_key character varying(64) NOT NULL,
    version bigint NOT NULL,
    run_id bigint NOT NULL,
    points bigint NOT NULL,
    state json NOT NULL
);
CREATE TABLE public.source_stamp (
    id bigint NOT NULL,
    repository character varying(1024) NOT NULL,
    revision character varying(1024) NOT NULL,
    patch_digest character varying NOT NULL,
    archive_sha256 character varying,
    subject text NOT NULL
);
CREATE SEQUENCE public.source_stamp_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.source_stamp_id_seq OWNED BY public.source_stamp.id;
CREATE TABLE public.stream_problem (
    attempt_id bigint NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL
);
CREATE TABLE public.task (
    id bigint NOT NULL,
    run_id bigint NOT NULL,
    cell_id bigint NOT NULL,
    key character varying(1024) NOT NULL,
    shard bigint NOT NULL,
    shards bigint NOT NULL,
    spec json NOT NULL,
    requested_digest character varying NOT NULL,
    state character varying(24) NOT NULL,
    resolution character varying(24),
    reason text NOT NULL,
    origin_attempt_id bigint,
    pending text DEFAULT ''::text NOT NULL,
    queued_ns bigint,
    action_digest character varying,
    CONSTRAINT ck_task_resolution CHECK (((resolution)::text = ANY (ARRAY[('waiting'::character varying)::text, ('queued'::character varying)::text, ('running'::character varying)::text, ('done'::character varying)::text, ('reused'::character varying)::text, ('precluded'::character varying)::text, ('not_executable'::character varying)::text, ('cancelled'::character varying)::text]))),
    CONSTRAINT ck_task_state CHECK (((state)::text = ANY (ARRAY[('waiting'::character varying)::text, ('queued'::character varying)::text, ('running'::character varying)::text, ('done'::character varying)::text, ('reused'::character varying)::text, ('precluded'::character varying)::text, ('not_executable'::character varying)::text, ('cancelled'::character varying)::text])))
);
CREATE SEQUENCE public.task_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.task_id_seq OWNED BY public.task.id;
CREATE TABLE public.test (
    id bigint NOT NULL,
    module character varying(1024) NOT NULL,
    scheme character varying(1024) NOT NULL,
    name character varying(1024) NOT NULL
);
CREATE SEQUENCE public.test_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.test_id_seq OWNED BY public.test.id;
CREATE TABLE public.token (
    id bigint NOT NULL,
    ulid character varying(26) NOT NULL,
    name character varying(1024) NOT NULL,
    token_sha256 character varying(64) NOT NULL,
    role character varying(24) NOT NULL,
    team character varying,
    created_by character varying(1024) NOT NULL,
    created_ns bigint NOT NULL,
    expires_ns bigint,
    revoked_ns bigint,
    last_used_ns bigint,
    CONSTRAINT ck_token_role CHECK (((role)::text = ANY (ARRAY[('viewer'::character varying)::text, ('developer'::character varying)::text, ('operator'::character varying)::text, ('admin'::character varying)::text])))
);
CREATE SEQUENCE public.token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.token_id_seq OWNED BY public.token.id;
CREATE TABLE public.variant (
    id bigint NOT NULL,
    hash character varying(64) NOT NULL,
    axes json NOT NULL
);
CREATE SEQUENCE public.variant_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.variant_id_seq OWNED BY public.variant.id;
CREATE TABLE public.verdict (
    run_id bigint NOT NULL,
    cell_id bigint NOT NULL,
    test_id bigint NOT NULL,
    variant_id bigint NOT NULL,
    verdict character varying(1024) NOT NULL,
    failure_class character varying,
    attempt_id bigint,
    seq bigint,
    tries bigint NOT NULL,
    duration_ns bigint NOT NULL,
    message_id bigint,
    is_new boolean NOT NULL
);
ALTER TABLE ONLY public.measurement ATTACH PARTITION public.measurement_202310 FOR VALUES FROM ('202310') TO ('202311');
ALTER TABLE ONLY public.measurement ATTACH PARTITION public.measurement_202311 FOR VALUES FROM ('202311') TO ('202312');
ALTER TABLE ONLY public.measurement ATTACH PARTITION public.measurement_default DEFAULT;
ALTER TABLE ONLY public.acceptance ALTER COLUMN id SET DEFAULT nextval('public.acceptance_id_seq'::regclass);
ALTER TABLE ONLY public.attempt ALTER COLUMN id SET DEFAULT nextval('public.attempt_id_seq'::regclass);
ALTER TABLE ONLY public.audit ALTER COLUMN id SET DEFAULT nextval('public.audit_id_seq'::regclass);
ALTER TABLE ONLY public.cell ALTER COLUMN id SET DEFAULT nextval('public.cell_id_seq'::regclass);
ALTER TABLE ONLY public.confirmation ALTER COLUMN id SET DEFAULT nextval('public.confirmation_id_seq'::regclass);
ALTER TABLE ONLY public.detector_check ALTER COLUMN id SET DEFAULT nextval('public.detector_check_id_seq'::regclass);
ALTER TABLE ONLY public.device ALTER COLUMN id SET DEFAULT nextval('public.device_id_seq'::regclass);
ALTER TABLE ONLY public.device_evidence ALTER COLUMN id SET DEFAULT nextval('public.device_evidence_id_seq'::regclass);
ALTER TABLE ONLY public.differential ALTER COLUMN id SET DEFAULT nextval('public.differential_id_seq'::regclass);
ALTER TABLE ONLY public.environment ALTER COLUMN id SET DEFAULT nextval('public.environment_id_seq'::regclass);
ALTER TABLE ONLY public.exoneration ALTER COLUMN id SET DEFAULT nextval('public.exoneration_id_seq'::regclass);
ALTER TABLE ONLY public.finding ALTER COLUMN id SET DEFAULT nextval('public.finding_id_seq'::regclass);
ALTER TABLE ONLY public.firing ALTER COLUMN id SET DEFAULT nextval('public.firing_id_seq'::regclass);
ALTER TABLE ONLY public.history ALTER COLUMN id SET DEFAULT nextval('public.history_id_seq'::regclass);
ALTER TABLE ONLY public.hold ALTER COLUMN id SET DEFAULT nextval('public.hold_id_seq'::regclass);
ALTER TABLE ONLY public.invalidation ALTER COLUMN id SET DEFAULT nextval('public.invalidation_id_seq'::regclass);
ALTER TABLE ONLY public.login ALTER COLUMN id SET DEFAULT nextval('public.login_id_seq'::regclass);
ALTER TABLE ONLY public.message ALTER COLUMN id SET DEFAULT nextval('public.message_id_seq'::regclass);
ALTER TABLE ONLY public.outbox ALTER COLUMN id SET DEFAULT nextval('public.outbox_id_seq'::regclass);
ALTER TABLE ONLY public.quarantine ALTER COLUMN id SET DEFAULT nextval('public.quarantine_id_seq'::regclass);
ALTER TABLE ONLY public.request ALTER COLUMN id SET DEFAULT nextval('public.request_id_seq'::regclass);
ALTER TABLE ONLY public.run ALTER COLUMN id SET DEFAULT nextval('public.run_id_seq'::regclass);
ALTER TABLE ONLY public.series_change ALTER COLUMN id SET DEFAULT nextval('public.series_change_id_seq'::regclass);
ALTER TABLE ONLY public.source_stamp ALTER COLUMN id SET DEFAULT nextval('public.source_stamp_id_seq'::regclass);
ALTER TABLE ONLY public.task ALTER COLUMN id SET DEFAULT nextval('public.task_id_seq'::regclass);
ALTER TABLE ONLY public.test ALTER COLUMN id SET DEFAULT nextval('public.test_id_seq'::regclass);
ALTER TABLE ONLY public.token ALTER COLUMN id SET DEFAULT nextval('public.token_id_seq'::regclass);
ALTER TABLE ONLY public.variant ALTER COLUMN id SET DEFAULT nextval('public.variant_id_seq'::regclass);
INSERT INTO public.acceptance VALUES (1, 'series_key', 1, 1, 1, 'reason', 'accepted_by', 202601, 202601);
INSERT INTO public.accuracy_sample VALUES (1, 90, 1, 1, 'arc', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'q-1', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 1, '1', 0.75, NULL);
INSERT INTO public.alembic_version VALUES ('0004');
INSERT INTO public.artifact VALUES (2, 'report.txt', 'aaccdc6c0de129bd29722d2d567fecf56c20e117bb467109b633af7d13b4c8fe', 11, 'application/octet-stream');
INSERT INTO public.attempt VALUES (1, '01M7ZAKMW8KZ8JABP2TV9VC4YW', 1, 1, 'passed', 'all tests passed', NULL, 'runner', 1, 'fake', 'fake', 'boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW', 1, 'ebd215d576291107a20a00c92ad6159940af1dc5730aac02e657786f6778b1d7', 'boot-1', 71000000000, 0, 1700000020000000000, 1700000040000000000, 1700000060000000000, 8, 1031, '[]', 1, NULL, NULL, NULL, 'result', NULL, 1);
INSERT INTO public.attempt VALUES (2, '01M7ZAKMXW11QY7D7RSBN07AE1', 2, 1, 'errored', 'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest', 'harness', 'manifest', 1, 'fake', 'fake', 'boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1', 1, '1ae658fefcbdf2345135a80204500e5ac7262dbe2cb65ace4a29904186490e18', 'boot-1', 111000000000, 10, 1700000060000000000, 1700000080000000000, 1700000100000000000, 9, 1402, '[]', 2, NULL, NULL, NULL, 'result', NULL, 1);
INSERT INTO public.attempt VALUES (3, '01M7ZAKN069Y0G47ADBZ88GVNW', 4, 1, 'leased', '', NULL, NULL, NULL, 'fake', 'fake', NULL, 0, 'b6fcdb19c7723c47dce997d9249fc4e8eb805159cdeabfe7b849b0aa0a544441', 'boot-1', 241000000000, NULL, 1700000120000000000, NULL, NULL, 0, 0, '[]', NULL, NULL, NULL, NULL, 'result', NULL, 1);
INSERT INTO public.audit VALUES (1, 202601, 'actor', 'action', 'target', 'outcome', 'address', '{}', NULL, 'reason');
INSERT INTO public.blob VALUES ('c082aaad16886237b77706823ac1808aa09fb9ce0205760fe1149feac566a4dc', 2396);
INSERT INTO public.blob VALUES ('2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d', 38);
INSERT INTO public.blob VALUES ('a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3', 99);
INSERT INTO public.blob VALUES ('31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d', 53);
INSERT INTO public.blob VALUES ('81bceba02215aba9e9984f1900538ba209979cc76239f2e2657e89b3bfeb873d', 8);
INSERT INTO public.blob VALUES ('4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f', 66);
INSERT INTO public.blob VALUES ('aaccdc6c0de129bd29722d2d567fecf56c20e117bb467109b633af7d13b4c8fe', 11);
INSERT INTO public.blob VALUES ('db56f29ad487fd4c5cdedd2ee4f4870a21df460f423734314cba8b33dfe17a39', 938);
INSERT INTO public.cell VALUES (1, 1, 'unit', 'unit', 'here', 1, 'always', '{}', '2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d', 0, 'done', 'passed', '', NULL);
INSERT INTO public.cell VALUES (2, 1, 'kernels', 'kernels', 'here', 2, 'always', '{}', 'a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3', 0, 'done', 'errored', 'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest', 'harness');
INSERT INTO public.cell VALUES (3, 1, 'windows@windows', 'windows@windows', 'windows', 3, 'always', '{"executables": ["wine64"]}', '31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d', 0, 'not_executable', 'not_executable', 'wine64 is not installed', NULL);
INSERT INTO public.cell VALUES (4, 2, 'unit', 'unit', 'here', 1, 'always', '{}', '2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d', 0, 'queued', NULL, '', NULL);
INSERT INTO public.collected VALUES (1, 2);
INSERT INTO public.collected VALUES (1, 3);
INSERT INTO public.collected VALUES (2, 1);
INSERT INTO public.collected VALUES (2, 4);
INSERT INTO public.comparison VALUES (1, 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 1, 1, 'latency', 'unchanged', 0.01, -0.02, 0.04, 5, '', '{}');
INSERT INTO public.confirmation VALUES (1, 'ulid', 1, NULL, 'state', 'answer', 'reason', 202601, '{}', '{}', 'requested_by', 202601, 202601);
INSERT INTO public.coverage VALUES (1, 1, 'kernels', 'here', 'c++', 'src/matmul.cpp', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', '\xff01', '\x0f00');
INSERT INTO public.detector_check VALUES (1, 'ulid', 202601, 202601, 202601, '{}');
INSERT INTO public.device VALUES (1, 'ulid', 'identity', 'pool', 'kind', 'executor', '{}', 'good', 'reason', 202601, 202601);
INSERT INTO public.device_evidence VALUES (1, 1, NULL, 'kind', 'failure_class', 'source', 1.5, 'detail', 202601);
INSERT INTO public.differential VALUES (1, 'ulid', 1, 1, 'state', '{}', 'conclusion', 202601);
INSERT INTO public.edge VALUES (1, 1, 2, 'success');
INSERT INTO public.environment VALUES (1, '696f80003cc7aeeca3fc0e52c4ba8ee8394dc52a4dedcc26ba73823bb0c5f71d', '{"machine": "fake", "cpu_model": "fake"}');
INSERT INTO public.environment VALUES (2, '97aff9cb007c0cd9efd3e3dcecaf35e476d3648dd7a6a2d85bdedd3d97f2b748', '{"cpu": "Zen 5", "cuda": {"absent": true}}');
INSERT INTO public.exoneration VALUES (1, 1, 1, 1, 'waiver', 'known since May', '{"bug": "AE-12"}', 1700000000000000000);
INSERT INTO public.finding VALUES (1, 1, 'environment', 'The driver changed.', '{}');
INSERT INTO public.firing VALUES (1, 'schedule', 'due', NULL, 'outcome', 202601);
INSERT INTO public.history VALUES (1, 'run', 1, NULL, 'planned', 'requested by tester', 1700000000000000000, 'tester');
INSERT INTO public.history VALUES (2, 'task', 3, 'waiting', 'not_executable', 'wine64 is not installed', 1700000000000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (3, 'run', 1, 'planned', 'running', '', 1700000000000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (4, 'task', 1, 'waiting', 'queued', '', 1700000020000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (5, 'task', 1, 'queued', 'running', 'leased', 1700000020000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (6, 'attempt', 1, NULL, 'leased', 'attempt 1', 1700000020000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (7, 'attempt', 1, 'leased', 'started', 'claimed by boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW', 1700000040000000000, 'boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW');
INSERT INTO public.history VALUES (8, 'attempt', 1, 'started', 'passed', 'all tests passed', 1700000060000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (9, 'task', 1, 'running', 'done', '', 1700000060000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (10, 'task', 2, 'waiting', 'queued', '', 1700000060000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (11, 'task', 2, 'queued', 'running', 'leased', 1700000060000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (12, 'attempt', 2, NULL, 'leased', 'attempt 1', 1700000060000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (13, 'attempt', 2, 'leased', 'started', 'claimed by boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1', 1700000080000000000, 'boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1');
INSERT INTO public.history VALUES (14, 'attempt', 2, 'started', 'errored', 'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest', 1700000100000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (15, 'task', 2, 'running', 'done', 'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest', 1700000100000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (16, 'run', 1, 'running', 'finalizing', '', 1700000100000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (17, 'run', 1, 'finalizing', 'finalized', 'verdict errored', 1700000100000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (18, 'run', 2, NULL, 'planned', 'requested by tester', 1700000120000000000, 'tester');
INSERT INTO public.history VALUES (19, 'run', 2, 'planned', 'running', '', 1700000120000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (20, 'task', 4, 'waiting', 'queued', '', 1700000120000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (21, 'task', 4, 'queued', 'running', 'leased', 1700000120000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.history VALUES (22, 'attempt', 3, NULL, 'leased', 'attempt 1', 1700000120000000000, 'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO public.hold VALUES (1, 'ulid', 1, 202601, 'reason', 'held_by', 'boot_id', 202601, 202601, 202601);
INSERT INTO public.invalidation VALUES (1, 'ulid', '{}', 'reason', 'requested_by', 202601, 202601, 202601);
INSERT INTO public.inventory VALUES ('2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d', '2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d', 1);
INSERT INTO public.inventory VALUES ('a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3', 'a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3', 2);
INSERT INTO public.inventory VALUES ('31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d', '31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d', 1);
INSERT INTO public.inventory VALUES ('4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f', '4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f', 2);
INSERT INTO public.kernel_error VALUES (1, 'kernel', 'dtype', 'shape', 'arch', 202601, '{}', '{}', 1.5, 1.5, 1.5);
INSERT INTO public.lock VALUES ('executor', 'boot-1:100:200', 'boot-1', 121000000000, '{"pid": 100, "host": "bench"}', 0);
INSERT INTO public.log_chunk VALUES (1, 'stdout', 0, 8, '81bceba02215aba9e9984f1900538ba209979cc76239f2e2657e89b3bfeb873d');
INSERT INTO public.log_chunk VALUES (2, 'stdout', 0, 8, '81bceba02215aba9e9984f1900538ba209979cc76239f2e2657e89b3bfeb873d');
INSERT INTO public.login VALUES (1, 'cookie_sha256', 'subject', 'name', 'viewer', 202601, 202601, 202601);
INSERT INTO public.measurement_202310 VALUES (202310, 2, 81, 1, 1, 'latency', 1, 's', 0.5, 'median', '[0.5]', '[0]', 10, NULL, NULL, NULL, false, 'the machine was busy', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'zen5/native', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee');
INSERT INTO public.measurement_202311 VALUES (202311, 2, 80, 1, 1, 'latency', 1, 's', 0.0125, 'median', '[0.0125, 0.013]', '[0, 1]', 10, 'bandwidth', 35000000000, 0.2, true, '', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'zen5/native', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee');
INSERT INTO public.measurement_month VALUES ('series_key', 202601, 202601, 202601, 1.5, 1.5, 1.5, '{}', 202601);
INSERT INTO public.message VALUES (1, 'a48610481ce2f8ecd23222d644c0225b8439ab35d5aa16a36c3f5ab3fb593f6f', 'wine64 is not installed');
INSERT INTO public.message VALUES (2, '869569ada06e285bc75ea18c63810fc96e4ba4060e055f0ef244985876614ace', 'aestus.kernels/case/softmax.f32:n=16,seed=1 failed as scripted');
INSERT INTO public.message VALUES (3, '5b8b6f27436f185a3160105341355e65f08414325239d1c56c3a346d32b746e6', 'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest');
INSERT INTO public.outbox VALUES (1, 'run.planned', 1, '{"state": "planned", "reason": "requested by tester", "number": 1, "pipeline": "small"}', 1700000000000000000, NULL);
INSERT INTO public.outbox VALUES (2, 'task.not_executable', 1, '{"state": "not_executable", "reason": "wine64 is not installed", "task": "windows@windows"}', 1700000000000000000, NULL);
INSERT INTO public.outbox VALUES (3, 'run.running', 1, '{"state": "running", "reason": ""}', 1700000000000000000, NULL);
INSERT INTO public.outbox VALUES (4, 'task.queued', 1, '{"state": "queued", "reason": "", "task": "unit"}', 1700000020000000000, NULL);
INSERT INTO public.outbox VALUES (5, 'cell.queued', 1, '{"cell": "unit", "task": "unit", "platform": "here", "state": "queued", "verdict": null, "reason": "", "failure_class": null}', 1700000020000000000, NULL);
INSERT INTO public.outbox VALUES (6, 'cell.not_executable', 1, '{"cell": "windows@windows", "task": "windows@windows", "platform": "windows", "state": "not_executable", "verdict": "not_executable", "reason": "wine64 is not installed", "failure_class": null}', 1700000020000000000, NULL);
INSERT INTO public.outbox VALUES (7, 'task.running', 1, '{"state": "running", "reason": "leased", "task": "unit"}', 1700000020000000000, NULL);
INSERT INTO public.outbox VALUES (8, 'attempt.leased', 1, '{"state": "leased", "reason": "attempt 1", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "number": 1}', 1700000020000000000, NULL);
INSERT INTO public.outbox VALUES (9, 'attempt.started', 1, '{"state": "started", "reason": "claimed by boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "number": 1}', 1700000040000000000, NULL);
INSERT INTO public.outbox VALUES (10, 'cell.running', 1, '{"cell": "unit", "task": "unit", "platform": "here", "state": "running", "verdict": null, "reason": "", "failure_class": null}', 1700000040000000000, NULL);
INSERT INTO public.outbox VALUES (11, 'attempt.passed', 1, '{"state": "passed", "reason": "all tests passed", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "number": 1, "failure_class": null}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (12, 'task.done', 1, '{"state": "done", "reason": "", "task": "unit"}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (13, 'task.queued', 1, '{"state": "queued", "reason": "", "task": "kernels"}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (14, 'cell.done', 1, '{"cell": "unit", "task": "unit", "platform": "here", "state": "done", "verdict": "passed", "reason": "", "failure_class": null}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (15, 'cell.queued', 1, '{"cell": "kernels", "task": "kernels", "platform": "here", "state": "queued", "verdict": null, "reason": "", "failure_class": null}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (16, 'task.running', 1, '{"state": "running", "reason": "leased", "task": "kernels"}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (17, 'attempt.leased', 1, '{"state": "leased", "reason": "attempt 1", "task": "kernels", "cell": "kernels", "platform": "here", "attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "number": 1}', 1700000060000000000, NULL);
INSERT INTO public.outbox VALUES (18, 'attempt.started', 1, '{"state": "started", "reason": "claimed by boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1", "task": "kernels", "cell": "kernels", "platform": "here", "attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "number": 1}', 1700000080000000000, NULL);
INSERT INTO public.outbox VALUES (19, 'cell.running', 1, '{"cell": "kernels", "task": "kernels", "platform": "here", "state": "running", "verdict": null, "reason": "", "failure_class": null}', 1700000080000000000, NULL);
INSERT INTO public.outbox VALUES (20, 'attempt.errored', 1, '{"state": "errored", "reason": "exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest", "task": "kernels", "cell": "kernels", "platform": "here", "attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "number": 1, "failure_class": "harness"}', 1700000100000000000, NULL);
INSERT INTO public.outbox VALUES (21, 'task.done', 1, '{"state": "done", "reason": "exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest", "task": "kernels"}', 1700000100000000000, NULL);
INSERT INTO public.outbox VALUES (22, 'cell.done', 1, '{"cell": "kernels", "task": "kernels", "platform": "here", "state": "done", "verdict": "errored", "reason": "exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest", "failure_class": "harness"}', 1700000100000000000, NULL);
INSERT INTO public.outbox VALUES (23, 'run.finalizing', 1, '{"state": "finalizing", "reason": ""}', 1700000100000000000, NULL);
INSERT INTO public.outbox VALUES (24, 'run.finalized', 1, '{"state": "finalized", "reason": "verdict errored", "verdict": "errored"}', 1700000100000000000, NULL);
INSERT INTO public.outbox VALUES (25, 'run.planned', 2, '{"state": "planned", "reason": "requested by tester", "number": 2, "pipeline": "small"}', 1700000120000000000, NULL);
INSERT INTO public.outbox VALUES (26, 'run.running', 2, '{"state": "running", "reason": ""}', 1700000120000000000, NULL);
INSERT INTO public.outbox VALUES (27, 'task.queued', 2, '{"state": "queued", "reason": "", "task": "unit"}', 1700000120000000000, NULL);
INSERT INTO public.outbox VALUES (28, 'cell.queued', 2, '{"cell": "unit", "task": "unit", "platform": "here", "state": "queued", "verdict": null, "reason": "", "failure_class": null}', 1700000120000000000, NULL);
INSERT INTO public.outbox VALUES (29, 'task.running', 2, '{"state": "running", "reason": "leased", "task": "unit"}', 1700000120000000000, NULL);
INSERT INTO public.outbox VALUES (30, 'attempt.leased', 2, '{"state": "leased", "reason": "attempt 1", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKN069Y0G47ADBZ88GVNW", "number": 1}', 1700000120000000000, NULL);
INSERT INTO public.quarantine VALUES (1, 'ulid', 1, 1, 'state', 'owner', 'bug', 'reason', '{}', 1.5, 1.5, 202601, 202601, 'requested_by', 202601, 202601, 'ended_reason');
INSERT INTO public.record VALUES (1, 1, 'session', '{"attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "runner_version": "fake", "boot_id": "fake", "pid": 0, "wall_ns": 0, "python": "fake"}');
INSERT INTO public.record VALUES (1, 8, 'manifest', '{"count": 7, "tests": 2, "collected": 2, "sha256": "4cc608740682d332ea58bb50b3030b1bf23e3f29764ea84c6adddfe1c1f36443", "exit_code": 0}');
INSERT INTO public.record VALUES (2, 1, 'session', '{"attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "runner_version": "fake", "boot_id": "fake", "pid": 0, "wall_ns": 0, "python": "fake"}');
INSERT INTO public.record VALUES (2, 9, 'environment', '{"moment": {"load": 0.5}}');
INSERT INTO public.recorded_inventory VALUES ('small', 'unit', '4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f', 1);
INSERT INTO public.request VALUES (1, '01HF0000000000000000000001', 'cancel', 1, '{}', 'refused', 'the run is over', 'me', 1700000000000000000);
INSERT INTO public.result VALUES (1, 5, 2, 1, 1, 'passed', NULL, 1000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.result VALUES (1, 7, 3, 1, 1, 'passed', NULL, 1000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.result VALUES (2, 5, 1, 2, 1, 'passed', NULL, 1000, NULL, NULL, NULL, NULL, NULL);
INSERT INTO public.result VALUES (2, 7, 4, 2, 1, 'failed', 'product', 1000, 2, NULL, NULL, NULL, NULL);
INSERT INTO public.result_month VALUES (1, 1, 202601, 202601, 202601, 202601, 202601, 202601);
INSERT INTO public.run VALUES (1, '01M7ZAKMT7HEV3KMZSDGYEQWSH', 1, 'small', 1, '82d2dae0af2be978fa868250fa8e94ff4edde7792bbd96622dd651ef2088c86a', 'c082aaad16886237b77706823ac1808aa09fb9ce0205760fe1149feac566a4dc', 'finalized', 'errored', 'kernels errored (harness): exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest
windows@windows not_executable: wine64 is not installed', 'errored: passed on 0 of 2 platforms, 1 of 3 cells, 1 errored, none missing.', NULL, 'tester', 1700000000000000000, 1700000000000000000, 1700000100000000000, NULL, 'developer', 'default', NULL, NULL, NULL, true, 0, '{}', 'result');
INSERT INTO public.run VALUES (2, '01M7ZAKMZKBKPBCPW1TJVX8JJR', 2, 'small', 1, '459f829dfc3d137a5dcef2732143b3967d0002ba9d69f4617d3b7a95f7e133d3', 'db56f29ad487fd4c5cdedd2ee4f4870a21df460f423734314cba8b33dfe17a39', 'running', NULL, '', '', NULL, 'tester', 1700000120000000000, 1700000120000000000, NULL, NULL, 'developer', 'default', NULL, NULL, NULL, true, 0, '{}', 'result');
INSERT INTO public.schedule VALUES ('name', '{}', 202601, false);
INSERT INTO public.series_change VALUES (1, 'ulid', 'series_key', 1, 1, 'metric', 'kind', 202601, 1, NULL, 1, 1.5, 1.5, 1.5, 1.5, 'direction', 'state', 'reason', 'cause', 1, NULL, 'label', 'labelled_by', 202601, 'operators');
INSERT INTO public.series_noise VALUES ('series_key', 'metric', 'environment_class', 1, 202601, false, 202601, 202601, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 202601, 202601, 202601, 202601);
INSERT INTO public.series_point VALUES ('series_key', 1, 202601, 'reason');
INSERT INTO public.series_state VALUES ('series_key', 202601, 1, 202601, '{}');
INSERT INTO public.source_stamp VALUES (1, 'here', '3f2a91c000000000000000000000000000000000', '', NULL, 'First');
INSERT INTO public.stream_problem VALUES (2, 1402, 'seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth');
INSERT INTO public.stream_problem VALUES (1, 512, 'line 4 is cut off');
INSERT INTO public.task VALUES (1, 1, 1, 'unit', 1, 1, '{"harness": "command", "command": ["true"]}', '0000000000000000000000000000000000000000000000000000000000000000', 'done', NULL, '', NULL, '', NULL, NULL);
INSERT INTO public.task VALUES (2, 1, 2, 'kernels', 1, 1, '{"harness": "command", "command": ["true"]}', '0000000000000000000000000000000000000000000000000000000000000000', 'done', NULL, 'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest', NULL, '', NULL, NULL);
INSERT INTO public.task VALUES (3, 1, 3, 'windows@windows', 1, 1, '{"harness": "command", "command": ["true"]}', '0000000000000000000000000000000000000000000000000000000000000000', 'not_executable', 'not_executable', 'wine64 is not installed', NULL, '', NULL, NULL);
INSERT INTO public.task VALUES (4, 2, 4, 'unit', 1, 1, '{"harness": "command", "command": ["true"]}', '0000000000000000000000000000000000000000000000000000000000000000', 'running', NULL, '', NULL, '', NULL, NULL);
INSERT INTO public.test VALUES (1, 'aestus.kernels', 'case', 'matmul.f32:m=8,n=8,k=8,seed=1');
INSERT INTO public.test VALUES (2, 'aestus.unit', 'gtest', 'Tokenizer.splits');
INSERT INTO public.test VALUES (3, 'aestus.unit', 'gtest', 'New.one');
INSERT INTO public.test VALUES (4, 'aestus.kernels', 'case', 'softmax.f32:n=16,seed=1');
INSERT INTO public.token VALUES (1, 'ulid', 'name', 'token_sha256', 'viewer', 'team', 'created_by', 202601, 202601, 202601, 202601);
INSERT INTO public.variant VALUES (1, '013dc555d8ebec0b5cffcfab2e64079df9b1fada78a3e8b5ef3c3b551216e3ac', '{"execution": "native", "platform": "here", "task": "unit"}');
INSERT INTO public.variant VALUES (2, 'c2dbf0d208c87c8427a1af6722fc24452cd753c28e3b06160ef134e0923b183f', '{"execution": "native", "platform": "here", "task": "kernels"}');
INSERT INTO public.variant VALUES (3, '2afa637cc289f9e38c0c430f2fb56e69ffeca158d4d0b52f92d8acea05205fa6', '{"execution": "native", "platform": "here", "task": "windows@windows"}');
INSERT INTO public.verdict VALUES (1, 3, 1, 3, 'not_executable', NULL, NULL, NULL, 0, 0, 1, false);
INSERT INTO public.verdict VALUES (1, 1, 2, 1, 'passed', NULL, 1, 5, 1, 1000, NULL, false);
INSERT INTO public.verdict VALUES (1, 1, 3, 1, 'passed', NULL, 1, 7, 1, 1000, NULL, true);
INSERT INTO public.verdict VALUES (1, 2, 1, 2, 'errored', NULL, NULL, NULL, 0, 0, 3, false);
INSERT INTO public.verdict VALUES (1, 2, 4, 2, 'errored', NULL, NULL, NULL, 0, 0, 3, false);
SELECT pg_catalog.setval('public.acceptance_id_seq', 1, true);
SELECT pg_catalog.setval('public.attempt_id_seq', 3, true);
SELECT pg_catalog.setval('public.audit_id_seq', 1, true);
SELECT pg_catalog.setval('public.cell_id_seq', 4, true);
SELECT pg_catalog.setval('public.confirmation_id_seq', 1, true);
SELECT pg_catalog.setval('public.detector_check_id_seq', 1, true);
SELECT pg_catalog.setval('public.device_evidence_id_seq', 1, true);
SELECT pg_catalog.setval('public.device_id_seq', 1, true);
SELECT pg_catalog.setval('public.differential_id_seq', 1, true);
SELECT pg_catalog.setval('public.environment_id_seq', 2, true);
SELECT pg_catalog.setval('public.exoneration_id_seq', 1, true);
SELECT pg_catalog.setval('public.finding_id_seq', 1, true);
SELECT pg_catalog.setval('public.firing_id_seq', 1, true);
SELECT pg_catalog.setval('public.history_id_seq', 22, true);
SELECT pg_catalog.setval('public.hold_id_seq', 1, true);
SELECT pg_catalog.setval('public.invalidation_id_seq', 1, true);
SELECT pg_catalog.setval('public.login_id_seq', 1, true);
SELECT pg_catalog.setval('public.message_id_seq', 3, true);
SELECT pg_catalog.setval('public.outbox_id_seq', 30, true);
SELECT pg_catalog.setval('public.quarantine_id_seq', 1, true);
SELECT pg_catalog.setval('public.request_id_seq', 1, true);
SELECT pg_catalog.setval('public.run_id_seq', 2, true);
SELECT pg_catalog.setval('public.series_change_id_seq', 1, true);
SELECT pg_catalog.setval('public.source_stamp_id_seq', 1, true);
SELECT pg_catalog.setval('public.task_id_seq', 4, true);
SELECT pg_catalog.setval('public.test_id_seq', 4, true);
SELECT pg_catalog.setval('public.token_id_seq', 1, true);
SELECT pg_catalog.setval('public.variant_id_seq', 3, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.measurement
    ADD CONSTRAINT pk_measurement PRIMARY KEY (month, attempt_id, seq);
ALTER TABLE ONLY public.measurement_202310
    ADD CONSTRAINT measurement_202310_pkey PRIMARY KEY (month, attempt_id, seq);
ALTER TABLE ONLY public.measurement_202311
    ADD CONSTRAINT measurement_202311_pkey PRIMARY KEY (month, attempt_id, seq);
ALTER TABLE ONLY public.measurement_default
    ADD CONSTRAINT measurement_default_pkey PRIMARY KEY (month, attempt_id, seq);
ALTER TABLE ONLY public.acceptance
    ADD CONSTRAINT pk_acceptance PRIMARY KEY (id);
ALTER TABLE ONLY public.accuracy_sample
    ADD CONSTRAINT pk_accuracy_sample PRIMARY KEY (attempt_id, seq);
ALTER TABLE ONLY public.artifact
    ADD CONSTRAINT pk_artifact PRIMARY KEY (attempt_id, name);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT pk_attempt PRIMARY KEY (id);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (id);
ALTER TABLE ONLY public.blob
    ADD CONSTRAINT pk_blob PRIMARY KEY (sha256);
ALTER TABLE ONLY public.cell
    ADD CONSTRAINT pk_cell PRIMARY KEY (id);
ALTER TABLE ONLY public.collected
    ADD CONSTRAINT pk_collected PRIMARY KEY (attempt_id, test_id);
ALTER TABLE ONLY public.comparison
    ADD CONSTRAINT pk_comparison PRIMARY KEY (run_id, series_key);
ALTER TABLE ONLY public.confirmation
    ADD CONSTRAINT pk_confirmation PRIMARY KEY (id);
ALTER TABLE ONLY public.coverage
    ADD CONSTRAINT pk_coverage PRIMARY KEY (attempt_id, suite, language, path, file_sha256);
ALTER TABLE ONLY public.detector_check
    ADD CONSTRAINT pk_detector_check PRIMARY KEY (id);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT pk_device PRIMARY KEY (id);
ALTER TABLE ONLY public.device_evidence
    ADD CONSTRAINT pk_device_evidence PRIMARY KEY (id);
ALTER TABLE ONLY public.differential
    ADD CONSTRAINT pk_differential PRIMARY KEY (id);
ALTER TABLE ONLY public.edge
    ADD CONSTRAINT pk_edge PRIMARY KEY (run_id, from_task_id, to_task_id, kind);
ALTER TABLE ONLY public.environment
    ADD CONSTRAINT pk_environment PRIMARY KEY (id);
ALTER TABLE ONLY public.exoneration
    ADD CONSTRAINT pk_exoneration PRIMARY KEY (id);
ALTER TABLE ONLY public.finding
    ADD CONSTRAINT pk_finding PRIMARY KEY (id);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT pk_firing PRIMARY KEY (id);
ALTER TABLE ONLY public.history
    ADD CONSTRAINT pk_history PRIMARY KEY (id);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT pk_hold PRIMARY KEY (id);
ALTER TABLE ONLY public.invalidation
    ADD CONSTRAINT pk_invalidation PRIMARY KEY (id);
ALTER TABLE ONLY public.inventory
    ADD CONSTRAINT pk_inventory PRIMARY KEY (digest);
ALTER TABLE ONLY public.kernel_error
    ADD CONSTRAINT pk_kernel_error PRIMARY KEY (run_id, kernel, dtype, shape, arch);
ALTER TABLE ONLY public.lock
    ADD CONSTRAINT pk_lock PRIMARY KEY (name);
ALTER TABLE ONLY public.log_chunk
    ADD CONSTRAINT pk_log_chunk PRIMARY KEY (attempt_id, stream, "offset");
ALTER TABLE ONLY public.login
    ADD CONSTRAINT pk_login PRIMARY KEY (id);
ALTER TABLE ONLY public.measurement_month
    ADD CONSTRAINT pk_measurement_month PRIMARY KEY (series_key, month);
ALTER TABLE ONLY public.message
    ADD CONSTRAINT pk_message PRIMARY KEY (id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (id);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT pk_quarantine PRIMARY KEY (id);
ALTER TABLE ONLY public.record
    ADD CONSTRAINT pk_record PRIMARY KEY (attempt_id, seq);
ALTER TABLE ONLY public.recorded_inventory
    ADD CONSTRAINT pk_recorded_inventory PRIMARY KEY (pipeline, cell_key);
ALTER TABLE ONLY public.request
    ADD CONSTRAINT pk_request PRIMARY KEY (id);
ALTER TABLE ONLY public.result
    ADD CONSTRAINT pk_result PRIMARY KEY (attempt_id, seq);
ALTER TABLE ONLY public.result_month
    ADD CONSTRAINT pk_result_month PRIMARY KEY (test_id, variant_id, month);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT pk_run PRIMARY KEY (id);
ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT pk_schedule PRIMARY KEY (name);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT pk_series_change PRIMARY KEY (id);
ALTER TABLE ONLY public.series_noise
    ADD CONSTRAINT pk_series_noise PRIMARY KEY (series_key);
ALTER TABLE ONLY public.series_point
    ADD CONSTRAINT pk_series_point PRIMARY KEY (series_key, run_id);
ALTER TABLE ONLY public.series_state
    ADD CONSTRAINT pk_series_state PRIMARY KEY (series_key);
ALTER TABLE ONLY public.source_stamp
    ADD CONSTRAINT pk_source_stamp PRIMARY KEY (id);
ALTER TABLE ONLY public.stream_problem
    ADD CONSTRAINT pk_stream_problem PRIMARY KEY (attempt_id, "offset");
ALTER TABLE ONLY public.task
    ADD CONSTRAINT pk_task PRIMARY KEY (id);
ALTER TABLE ONLY public.test
    ADD CONSTRAINT pk_test PRIMARY KEY (id);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT pk_token PRIMARY KEY (id);
ALTER TABLE ONLY public.variant
    ADD CONSTRAINT pk_variant PRIMARY KEY (id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT pk_verdict PRIMARY KEY (run_id, cell_id, test_id);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT uq_attempt_task_id_number UNIQUE (task_id, number);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT uq_attempt_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.cell
    ADD CONSTRAINT uq_cell_run_id_key UNIQUE (run_id, key);
ALTER TABLE ONLY public.confirmation
    ADD CONSTRAINT uq_confirmation_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.detector_check
    ADD CONSTRAINT uq_detector_check_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT uq_device_identity UNIQUE (identity);
ALTER TABLE ONLY public.device
    ADD CONSTRAINT uq_device_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.differential
    ADD CONSTRAINT uq_differential_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.environment
    ADD CONSTRAINT uq_environment_sha256 UNIQUE (sha256);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT uq_firing_schedule_due UNIQUE (schedule, due);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT uq_hold_attempt_id UNIQUE (attempt_id);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT uq_hold_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.invalidation
    ADD CONSTRAINT uq_invalidation_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.login
    ADD CONSTRAINT uq_login_cookie_sha256 UNIQUE (cookie_sha256);
ALTER TABLE ONLY public.message
    ADD CONSTRAINT uq_message_sha256 UNIQUE (sha256);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT uq_quarantine_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.request
    ADD CONSTRAINT uq_request_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT uq_run_number UNIQUE (number);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT uq_run_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT uq_series_change_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.source_stamp
    ADD CONSTRAINT uq_source_stamp_repository_revision_patch_digest UNIQUE (repository, revision, patch_digest);
ALTER TABLE ONLY public.task
    ADD CONSTRAINT uq_task_run_id_key UNIQUE (run_id, key);
ALTER TABLE ONLY public.test
    ADD CONSTRAINT uq_test_module_scheme_name UNIQUE (module, scheme, name);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT uq_token_token_sha256 UNIQUE (token_sha256);
ALTER TABLE ONLY public.token
    ADD CONSTRAINT uq_token_ulid UNIQUE (ulid);
ALTER TABLE ONLY public.variant
    ADD CONSTRAINT uq_variant_hash UNIQUE (hash);
CREATE INDEX ix_acceptance_change_id ON public.acceptance USING btree (change_id);
CREATE INDEX ix_acceptance_series_key_id ON public.acceptance USING btree (series_key, id);
CREATE INDEX ix_accuracy_sample_task_dataset_item ON public.accuracy_sample USING btree (task, dataset, item);
CREATE INDEX ix_attempt_device_id ON public.attempt USING btree (device_id);
CREATE INDEX ix_attempt_ended_ns ON public.attempt USING btree (ended_ns);
CREATE INDEX ix_attempt_invalidation_id ON public.attempt USING btree (invalidation_id) WHERE (invalidation_id IS NOT NULL);
CREATE INDEX ix_attempt_state ON public.attempt USING btree (state);
CREATE INDEX ix_audit_actor_id ON public.audit USING btree (actor, id);
CREATE INDEX ix_audit_outcome_id ON public.audit USING btree (outcome, id);
CREATE INDEX ix_confirmation_change_id ON public.confirmation USING btree (change_id);
CREATE INDEX ix_confirmation_run_id ON public.confirmation USING btree (run_id);
CREATE INDEX ix_confirmation_state ON public.confirmation USING btree (state);
CREATE INDEX ix_coverage_run_id_path ON public.coverage USING btree (run_id, path);
CREATE INDEX ix_device_evidence_device_id_id ON public.device_evidence USING btree (device_id, id);
CREATE INDEX ix_device_pool_health ON public.device USING btree (pool, health);
CREATE INDEX ix_differential_device_id_id ON public.differential USING btree (device_id, id);
CREATE INDEX ix_differential_state ON public.differential USING btree (state);
CREATE INDEX ix_exoneration_run_id ON public.exoneration USING btree (run_id);
CREATE INDEX ix_finding_run_id ON public.finding USING btree (run_id);
CREATE INDEX ix_history_entity_entity_id ON public.history USING btree (entity, entity_id);
CREATE INDEX ix_hold_released_ns ON public.hold USING btree (released_ns);
CREATE INDEX ix_kernel_error_kernel_run_id ON public.kernel_error USING btree (kernel, run_id);
CREATE INDEX ix_measurement_attempt_id ON ONLY public.measurement USING btree (attempt_id);
CREATE INDEX ix_measurement_series_key_month_attempt_id ON ONLY public.measurement USING btree (series_key, month, attempt_id);
CREATE INDEX ix_measurement_test_id_series_key ON ONLY public.measurement USING btree (test_id, series_key);
CREATE INDEX ix_outbox_run_id ON public.outbox USING btree (run_id);
CREATE INDEX ix_quarantine_state ON public.quarantine USING btree (state);
CREATE INDEX ix_quarantine_test_id_variant_id ON public.quarantine USING btree (test_id, variant_id);
CREATE INDEX ix_request_run_id_id ON public.request USING btree (run_id, id);
CREATE INDEX ix_request_state ON public.request USING btree (state);
CREATE INDEX ix_result_detail_id ON public.result USING btree (detail_id) WHERE (detail_id IS NOT NULL);
CREATE INDEX ix_result_message_id ON public.result USING btree (message_id) WHERE (message_id IS NOT NULL);
CREATE INDEX ix_result_test_id_variant_id_attempt_id ON public.result USING btree (test_id, variant_id, attempt_id);
CREATE INDEX ix_run_change_state ON public.run USING btree (change, state);
CREATE INDEX ix_run_pipeline_id ON public.run USING btree (pipeline, id);
CREATE INDEX ix_run_source_stamp_id ON public.run USING btree (source_stamp_id);
CREATE INDEX ix_run_state ON public.run USING btree (state);
CREATE INDEX ix_run_superseded_by_run_id ON public.run USING btree (superseded_by_run_id);
CREATE INDEX ix_series_change_cause ON public.series_change USING btree (cause);
CREATE INDEX ix_series_change_noticed_run_id ON public.series_change USING btree (noticed_run_id);
CREATE INDEX ix_series_change_series_key_id ON public.series_change USING btree (series_key, id);
CREATE INDEX ix_series_change_withdrawn_run_id ON public.series_change USING btree (withdrawn_run_id);
CREATE INDEX ix_series_noise_metric_environment_class ON public.series_noise USING btree (metric, environment_class);
CREATE INDEX ix_series_point_series_key_position ON public.series_point USING btree (series_key, "position");
CREATE INDEX ix_task_action_digest ON public.task USING btree (action_digest);
CREATE INDEX ix_task_cell_id ON public.task USING btree (cell_id);
CREATE INDEX ix_task_requested_digest ON public.task USING btree (requested_digest);
CREATE INDEX ix_task_run_id_id ON public.task USING btree (run_id, id);
CREATE INDEX ix_task_state ON public.task USING btree (state);
CREATE INDEX ix_verdict_message_id ON public.verdict USING btree (message_id) WHERE (message_id IS NOT NULL);
CREATE INDEX ix_verdict_run_id_verdict_cell_id_test_id ON public.verdict USING btree (run_id, verdict, cell_id, test_id);
CREATE INDEX ix_verdict_test_id_variant_id_run_id ON public.verdict USING btree (test_id, variant_id, run_id);
CREATE INDEX measurement_202310_attempt_id_idx ON public.measurement_202310 USING btree (attempt_id);
CREATE INDEX measurement_202310_series_key_month_attempt_id_idx ON public.measurement_202310 USING btree (series_key, month, attempt_id);
CREATE INDEX measurement_202310_test_id_series_key_idx ON public.measurement_202310 USING btree (test_id, series_key);
CREATE INDEX measurement_202311_attempt_id_idx ON public.measurement_202311 USING btree (attempt_id);
CREATE INDEX measurement_202311_series_key_month_attempt_id_idx ON public.measurement_202311 USING btree (series_key, month, attempt_id);
CREATE INDEX measurement_202311_test_id_series_key_idx ON public.measurement_202311 USING btree (test_id, series_key);
CREATE INDEX measurement_default_attempt_id_idx ON public.measurement_default USING btree (attempt_id);
CREATE INDEX measurement_default_series_key_month_attempt_id_idx ON public.measurement_default USING btree (series_key, month, attempt_id);
CREATE INDEX measurement_default_test_id_series_key_idx ON public.measurement_default USING btree (test_id, series_key);
ALTER INDEX public.ix_measurement_attempt_id ATTACH PARTITION public.measurement_202310_attempt_id_idx;
ALTER INDEX public.pk_measurement ATTACH PARTITION public.measurement_202310_pkey;
ALTER INDEX public.ix_measurement_series_key_month_attempt_id ATTACH PARTITION public.measurement_202310_series_key_month_attempt_id_idx;
ALTER INDEX public.ix_measurement_test_id_series_key ATTACH PARTITION public.measurement_202310_test_id_series_key_idx;
ALTER INDEX public.ix_measurement_attempt_id ATTACH PARTITION public.measurement_202311_attempt_id_idx;
ALTER INDEX public.pk_measurement ATTACH PARTITION public.measurement_202311_pkey;
ALTER INDEX public.ix_measurement_series_key_month_attempt_id ATTACH PARTITION public.measurement_202311_series_key_month_attempt_id_idx;
ALTER INDEX public.ix_measurement_test_id_series_key ATTACH PARTITION public.measurement_202311_test_id_series_key_idx;
ALTER INDEX public.ix_measurement_attempt_id ATTACH PARTITION public.measurement_default_attempt_id_idx;
ALTER INDEX public.pk_measurement ATTACH PARTITION public.measurement_default_pkey;
ALTER INDEX public.ix_measurement_series_key_month_attempt_id ATTACH PARTITION public.measurement_default_series_key_month_attempt_id_idx;
ALTER INDEX public.ix_measurement_test_id_series_key ATTACH PARTITION public.measurement_default_test_id_series_key_idx;
ALTER TABLE ONLY public.acceptance
    ADD CONSTRAINT fk_acceptance_change_id_series_change FOREIGN KEY (change_id) REFERENCES public.series_change(id);
ALTER TABLE ONLY public.acceptance
    ADD CONSTRAINT fk_acceptance_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.acceptance
    ADD CONSTRAINT fk_acceptance_until_run_id_run FOREIGN KEY (until_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.accuracy_sample
    ADD CONSTRAINT fk_accuracy_sample_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.accuracy_sample
    ADD CONSTRAINT fk_accuracy_sample_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.accuracy_sample
    ADD CONSTRAINT fk_accuracy_sample_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.artifact
    ADD CONSTRAINT fk_artifact_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.artifact
    ADD CONSTRAINT fk_artifact_sha256_blob FOREIGN KEY (sha256) REFERENCES public.blob(sha256);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT fk_attempt_device_id_device FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT fk_attempt_environment_id_environment FOREIGN KEY (environment_id) REFERENCES public.environment(id);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT fk_attempt_invalidation_id_invalidation FOREIGN KEY (invalidation_id) REFERENCES public.invalidation(id);
ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT fk_attempt_task_id_task FOREIGN KEY (task_id) REFERENCES public.task(id);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT fk_audit_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.cell
    ADD CONSTRAINT fk_cell_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.cell
    ADD CONSTRAINT fk_cell_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.collected
    ADD CONSTRAINT fk_collected_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.collected
    ADD CONSTRAINT fk_collected_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.comparison
    ADD CONSTRAINT fk_comparison_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.comparison
    ADD CONSTRAINT fk_comparison_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.comparison
    ADD CONSTRAINT fk_comparison_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.confirmation
    ADD CONSTRAINT fk_confirmation_change_id_series_change FOREIGN KEY (change_id) REFERENCES public.series_change(id);
ALTER TABLE ONLY public.confirmation
    ADD CONSTRAINT fk_confirmation_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.coverage
    ADD CONSTRAINT fk_coverage_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.coverage
    ADD CONSTRAINT fk_coverage_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.device_evidence
    ADD CONSTRAINT fk_device_evidence_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.device_evidence
    ADD CONSTRAINT fk_device_evidence_device_id_device FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.differential
    ADD CONSTRAINT fk_differential_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.differential
    ADD CONSTRAINT fk_differential_device_id_device FOREIGN KEY (device_id) REFERENCES public.device(id);
ALTER TABLE ONLY public.edge
    ADD CONSTRAINT fk_edge_from_task_id_task FOREIGN KEY (from_task_id) REFERENCES public.task(id);
ALTER TABLE ONLY public.edge
    ADD CONSTRAINT fk_edge_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.edge
    ADD CONSTRAINT fk_edge_to_task_id_task FOREIGN KEY (to_task_id) REFERENCES public.task(id);
ALTER TABLE ONLY public.exoneration
    ADD CONSTRAINT fk_exoneration_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.exoneration
    ADD CONSTRAINT fk_exoneration_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.exoneration
    ADD CONSTRAINT fk_exoneration_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.finding
    ADD CONSTRAINT fk_finding_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.firing
    ADD CONSTRAINT fk_firing_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.hold
    ADD CONSTRAINT fk_hold_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.kernel_error
    ADD CONSTRAINT fk_kernel_error_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.log_chunk
    ADD CONSTRAINT fk_log_chunk_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.log_chunk
    ADD CONSTRAINT fk_log_chunk_sha256_blob FOREIGN KEY (sha256) REFERENCES public.blob(sha256);
ALTER TABLE public.measurement
    ADD CONSTRAINT fk_measurement_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE public.measurement
    ADD CONSTRAINT fk_measurement_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE public.measurement
    ADD CONSTRAINT fk_measurement_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT fk_outbox_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT fk_quarantine_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT fk_quarantine_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.record
    ADD CONSTRAINT fk_record_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.recorded_inventory
    ADD CONSTRAINT fk_recorded_inventory_digest_inventory FOREIGN KEY (digest) REFERENCES public.inventory(digest);
ALTER TABLE ONLY public.recorded_inventory
    ADD CONSTRAINT fk_recorded_inventory_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.request
    ADD CONSTRAINT fk_request_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.result
    ADD CONSTRAINT fk_result_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.result
    ADD CONSTRAINT fk_result_detail_id_message FOREIGN KEY (detail_id) REFERENCES public.message(id);
ALTER TABLE ONLY public.result
    ADD CONSTRAINT fk_result_message_id_message FOREIGN KEY (message_id) REFERENCES public.message(id);
ALTER TABLE ONLY public.result_month
    ADD CONSTRAINT fk_result_month_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.result_month
    ADD CONSTRAINT fk_result_month_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.result
    ADD CONSTRAINT fk_result_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.result
    ADD CONSTRAINT fk_result_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT fk_run_parent_run_id_run FOREIGN KEY (parent_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT fk_run_source_stamp_id_source_stamp FOREIGN KEY (source_stamp_id) REFERENCES public.source_stamp(id);
ALTER TABLE ONLY public.run
    ADD CONSTRAINT fk_run_superseded_by_run_id_run FOREIGN KEY (superseded_by_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_after_run_id_run FOREIGN KEY (after_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_noticed_run_id_run FOREIGN KEY (noticed_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_until_run_id_run FOREIGN KEY (until_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
ALTER TABLE ONLY public.series_change
    ADD CONSTRAINT fk_series_change_withdrawn_run_id_run FOREIGN KEY (withdrawn_run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_noise
    ADD CONSTRAINT fk_series_noise_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_point
    ADD CONSTRAINT fk_series_point_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.series_state
    ADD CONSTRAINT fk_series_state_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.stream_problem
    ADD CONSTRAINT fk_stream_problem_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.task
    ADD CONSTRAINT fk_task_cell_id_cell FOREIGN KEY (cell_id) REFERENCES public.cell(id);
ALTER TABLE ONLY public.task
    ADD CONSTRAINT fk_task_origin_attempt_id_attempt FOREIGN KEY (origin_attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.task
    ADD CONSTRAINT fk_task_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT fk_verdict_attempt_id_attempt FOREIGN KEY (attempt_id) REFERENCES public.attempt(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT fk_verdict_cell_id_cell FOREIGN KEY (cell_id) REFERENCES public.cell(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT fk_verdict_message_id_message FOREIGN KEY (message_id) REFERENCES public.message(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT fk_verdict_run_id_run FOREIGN KEY (run_id) REFERENCES public.run(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT fk_verdict_test_id_test FOREIGN KEY (test_id) REFERENCES public.test(id);
ALTER TABLE ONLY public.verdict
    ADD CONSTRAINT fk_verdict_variant_id_variant FOREIGN KEY (variant_id) REFERENCES public.variant(id);
