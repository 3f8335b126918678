-- The tables. "fq." stands for the schema. Names are compared byte by byte, as Python does.

-- A message that waits or runs; its body is apart, so that a change of state writes a short row. Its place in the order is (due, seq).
-- state: 0 delayed, 1 ready, 2 running. keyed: 0 has no unique key, 1 frees it at its end, 2 at its start.
-- size is the length of its body. error is the type of the latest fault.
CREATE TABLE fq.messages (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token       bigint NOT NULL DEFAULT 0,
    due         bigint NOT NULL,
    claimed     bigint NOT NULL DEFAULT 0,
    priority    integer NOT NULL,
    deliveries  integer NOT NULL DEFAULT 0,
    size        integer NOT NULL DEFAULT 0,
    state       smallint NOT NULL,
    keyed       smallint NOT NULL DEFAULT 0,
    message_id  text COLLATE "C" NOT NULL,
    queue       text COLLATE "C" NOT NULL,
    actor       text COLLATE "C" NOT NULL,
    worker      text COLLATE "C" NOT NULL DEFAULT '',
    interrupted text COLLATE "C" NOT NULL DEFAULT '',
    error       text COLLATE "C",
    fault       text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.1,
        autovacuum_vacuum_cost_delay = 1);
CREATE UNIQUE INDEX messages_by_id ON fq.messages (message_id);
CREATE INDEX messages_delayed ON fq.messages (due, queue, seq) WHERE state = 0;
CREATE INDEX messages_retrying ON fq.messages (due, queue, seq) WHERE state = 0 AND fault IS NOT NULL;
CREATE INDEX messages_ready ON fq.messages (queue, priority, due, seq) WHERE state = 1;
CREATE INDEX messages_running ON fq.messages (worker, token) WHERE state = 2;

CREATE TABLE fq.bodies (
    seq  bigint PRIMARY KEY,
    body bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 1);

-- Messages with unique keys that were sent in the transaction of a user, as JSON, until a turn places them.
CREATE TABLE fq.inbox (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, made bigint NOT NULL, op text NOT NULL);

CREATE SEQUENCE fq.tokens;

CREATE TABLE fq.queues (name text COLLATE "C" PRIMARY KEY, paused boolean NOT NULL DEFAULT false);

-- turn_id is that of the worker's latest turn, token that of its latest claim: a worker whose connection broke asks for them.
CREATE TABLE fq.workers (
    name        text COLLATE "C" PRIMARY KEY,
    lease_until bigint NOT NULL,
    turns       bigint NOT NULL DEFAULT 0,
    turn_id     text COLLATE "C" NOT NULL DEFAULT '',
    token       bigint NOT NULL DEFAULT 0,
    queues      text[] COLLATE "C" NOT NULL
) WITH (fillfactor = 50);

-- Marks of cancelled messages, until they end; told is the token of the claim whose worker knows.
CREATE TABLE fq.cancelled (message_id text COLLATE "C" PRIMARY KEY, told bigint NOT NULL DEFAULT 0);

-- A result that waits for the end of its workflow is kept for ttl ms after the group hold is complete.
CREATE TABLE fq.results (
    message_id text COLLATE "C" PRIMARY KEY,
    until      bigint NOT NULL,
    ttl        bigint NOT NULL DEFAULT 0,
    hold       text COLLATE "C" NOT NULL DEFAULT '',
    body       bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX results_until ON fq.results (until);
CREATE INDEX results_held ON fq.results (hold) WHERE hold <> '';

-- flags: 1 complete, 2 cancelled, added up.
CREATE TABLE fq.groups (name text COLLATE "C" PRIMARY KEY, arrived integer NOT NULL, flags smallint NOT NULL, until bigint NOT NULL);
CREATE INDEX groups_until ON fq.groups (until);

CREATE TABLE fq.members (
    group_name text COLLATE "C" NOT NULL, member integer NOT NULL, value bytea NOT NULL, PRIMARY KEY (group_name, member)
);

-- What follows a group: enqueues, with the three pieces of their bodies.
CREATE TABLE fq.followups (
    group_name text COLLATE "C" NOT NULL,
    number     integer NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    queue      text COLLATE "C" NOT NULL,
    actor      text COLLATE "C" NOT NULL,
    priority   integer NOT NULL,
    delay      bigint NOT NULL,
    head       bytea NOT NULL,
    tail       bytea NOT NULL,
    rest       bytea NOT NULL,
    PRIMARY KEY (group_name, number)
);

-- error is the type of the fault, for searches; fault is all of it, as JSON.
CREATE TABLE fq.dead (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    died_at    bigint NOT NULL,
    priority   integer NOT NULL,
    message_id text COLLATE "C" NOT NULL UNIQUE,
    queue      text COLLATE "C" NOT NULL,
    actor      text COLLATE "C" NOT NULL,
    error      text COLLATE "C" NOT NULL,
    fault      text NOT NULL,
    body       bytea NOT NULL
);
CREATE INDEX dead_by_time ON fq.dead (died_at, seq);
CREATE INDEX dead_by_kind ON fq.dead (queue, left(actor, 200), left(error, 200), died_at, seq);

-- A mark; until is 0 if it never ends. Its place in the index list is (place, key).
CREATE TABLE fq.marks (
    key   text COLLATE "C" PRIMARY KEY,
    until bigint NOT NULL,
    place bigint NOT NULL,
    list  text COLLATE "C" NOT NULL,
    body  bytea NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX marks_listed ON fq.marks (list, place, key) WHERE list <> '';
CREATE INDEX marks_until ON fq.marks (until) WHERE until > 0;

-- A unique key, while it is held, and until its window ends; see Holder in fq.brokers.planning.unique_keys.
CREATE TABLE fq.unique_keys (
    key            text COLLATE "C" PRIMARY KEY,
    holder         text COLLATE "C" NOT NULL,
    since          bigint NOT NULL,
    until          bigint NOT NULL,
    held           boolean NOT NULL,
    at_start       boolean NOT NULL,
    aside          text COLLATE "C" NOT NULL,
    aside_at_start boolean NOT NULL
);
CREATE INDEX unique_keys_by_holder ON fq.unique_keys (holder) WHERE held;
CREATE INDEX unique_keys_by_aside ON fq.unique_keys (aside) WHERE aside <> '';
CREATE INDEX unique_keys_until ON fq.unique_keys (until) WHERE NOT held;

CREATE TABLE fq.counters (
    bucket text COLLATE "C" NOT NULL, name text COLLATE "C" NOT NULL, value bigint NOT NULL, until bigint NOT NULL, PRIMARY KEY (bucket, name)
) WITH (fillfactor = 80);
CREATE INDEX counters_until ON fq.counters (until);

-- Limiters; see fq.brokers.limits.tables.
CREATE TABLE fq.limit_slots (
    key text COLLATE "C", holder text COLLATE "C", token text NOT NULL, since bigint NOT NULL, until bigint NOT NULL, PRIMARY KEY (key, holder)
);
CREATE INDEX limit_slots_by_key ON fq.limit_slots (key, until);
CREATE INDEX limit_slots_by_end ON fq.limit_slots (until);
CREATE TABLE fq.limit_waiting (
    key text COLLATE "C", owner text COLLATE "C", priority bigint NOT NULL, turn bigint NOT NULL, back bigint NOT NULL, PRIMARY KEY (key, owner)
);
CREATE INDEX limit_waiting_by_turn ON fq.limit_waiting (key, priority, turn, owner);
CREATE INDEX limit_waiting_by_return ON fq.limit_waiting (back);
CREATE TABLE fq.limit_holds (key text COLLATE "C" PRIMARY KEY, hold bigint NOT NULL, known bigint NOT NULL, until bigint NOT NULL);
CREATE INDEX limit_holds_by_end ON fq.limit_holds (until);
CREATE TABLE fq.barriers (key text COLLATE "C" PRIMARY KEY, parties bigint NOT NULL, until bigint NOT NULL);
CREATE TABLE fq.barrier_parties (key text COLLATE "C", party text COLLATE "C", PRIMARY KEY (key, party));
