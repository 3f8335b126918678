-- The functions. They are made again by each migration; tables hold all state.
-- They are in PL/pgSQL, which keeps their plans for the session; one in SQL would be planned at each call.

-- The clock of all workers, ms since the epoch.
CREATE OR REPLACE FUNCTION fq.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- Wait until no other transaction holds the lock of this schema, keep it until the end of this one, and return the time.
CREATE OR REPLACE FUNCTION fq.lock_alone() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock((18033::bigint << 32) | 'fq.messages'::regclass::oid::bigint);
    RETURN fq.now_ms();
END $$;

-- The same lock, shared: transactions that hold it so exclude only those that want to be alone.
CREATE OR REPLACE FUNCTION fq.lock_shared() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared((18033::bigint << 32) | 'fq.messages'::regclass::oid::bigint);
    RETURN fq.now_ms();
END $$;

-- A lock for a limiter, by a hash of its key.
CREATE OR REPLACE FUNCTION fq.lock_key(key bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_advisory_xact_lock((18034::bigint << 32) | key);
    RETURN fq.now_ms();
END $$;

-- Wake the workers ('w'), or those who wait for results ('r'), when the transaction commits.
CREATE OR REPLACE FUNCTION fq.announce(what text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM pg_notify('fq_' || 'fq.messages'::regclass::oid::text, what);
END $$;

-- Put messages on their queues, except those that wait or run already, and return the ids of the new ones. A delay of -1 never ends.
-- Where an array has one element only, it is that of all messages.
CREATE OR REPLACE FUNCTION fq.put(
    ids text[], queues text[], actors text[], priorities int[], delays bigint[], keyed smallint[], bodies bytea[], at bigint
) RETURNS text[] LANGUAGE plpgsql VOLATILE SET jit = off AS $$
#variable_conflict use_column
DECLARE
    new_ids text[];
BEGIN
    WITH asked AS MATERIALIZED (
        SELECT t.id, coalesce(t.queue, put.queues[1]) AS queue, coalesce(t.actor, put.actors[1]) AS actor,
            coalesce(t.priority, put.priorities[1]) AS priority, coalesce(t.delay, put.delays[1]) AS delay,
            coalesce(t.is_keyed, put.keyed[1]) AS is_keyed, t.body, t.n
        FROM unnest(put.ids, put.queues, put.actors, put.priorities, put.delays, put.keyed, put.bodies)
            WITH ORDINALITY AS t (id, queue, actor, priority, delay, is_keyed, body, n)
    ), new AS (
        INSERT INTO fq.messages (message_id, queue, actor, priority, state, due, keyed, size)
        SELECT id, queue, actor, priority, CASE WHEN delay = 0 THEN 1 ELSE 0 END,
            CASE WHEN delay < 0 THEN 4611686018427387904 ELSE put.at + delay END, is_keyed, length(body)
        FROM asked ORDER BY n
        ON CONFLICT (message_id) DO NOTHING
        RETURNING seq, message_id
    ), stored AS (
        INSERT INTO fq.bodies (seq, body)
        SELECT DISTINCT ON (new.seq) new.seq, asked.body FROM new JOIN asked ON asked.id = new.message_id ORDER BY new.seq, asked.n
    )
    SELECT coalesce(array_agg(message_id), '{}') INTO new_ids FROM new;
    RETURN new_ids;
END $$;

-- Enqueue messages without unique keys, wake the workers, and return the ids of the new ones.
CREATE OR REPLACE FUNCTION fq.enqueue(
    ids text[], queues text[], actors text[], priorities int[], delays bigint[], keyed smallint[], bodies bytea[]
) RETURNS text[] LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    PERFORM fq.list_queues(queues);
    PERFORM fq.announce('w');
    RETURN fq.put(ids, queues, actors, priorities, delays, keyed, bodies, fq.now_ms());
END $$;

-- The same with one message; return whether it was new.
CREATE OR REPLACE FUNCTION fq.enqueue_one(id text, in_queue text, of_actor text, with_priority int, delay bigint, content bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    place bigint;
BEGIN
    INSERT INTO fq.messages (message_id, queue, actor, priority, state, due, size)
    VALUES (id, in_queue, of_actor, with_priority, CASE WHEN delay = 0 THEN 1 ELSE 0 END, fq.now_ms() + delay, length(content))
    ON CONFLICT (message_id) DO NOTHING RETURNING seq INTO place;
    IF place IS NOT NULL THEN
        INSERT INTO fq.bodies (seq, body) VALUES (place, content);
    END IF;
    IF NOT EXISTS (SELECT 1 FROM fq.queues q WHERE q.name = in_queue) THEN
        PERFORM fq.list_queues(ARRAY[in_queue]);
    END IF;
    PERFORM fq.announce('w');
    RETURN place IS NOT NULL;
END $$;

-- Add queues to the table of queues.
CREATE OR REPLACE FUNCTION fq.list_queues(names text[]) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO fq.queues (name)
    SELECT DISTINCT t.name FROM unnest(names) AS t (name) WHERE NOT EXISTS (SELECT 1 FROM fq.queues q WHERE q.name = t.name) ORDER BY t.name
    ON CONFLICT (name) DO NOTHING;
END $$;

-- Enqueue messages, given as JSON, in the transaction of a user. It lists no queues: others would wait for that transaction to end.
CREATE OR REPLACE FUNCTION fq.send(ops text) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO fq.inbox (made, op) SELECT fq.now_ms(), t.op::text FROM json_array_elements(ops::json) WITH ORDINALITY AS t (op, n)
    WHERE t.op -> 'unique' IS NOT NULL ORDER BY n;
    PERFORM fq.put(array_agg(t.op ->> 'id' ORDER BY n), array_agg(t.op ->> 'queue' ORDER BY n), array_agg(t.op ->> 'actor' ORDER BY n),
        array_agg((t.op ->> 'priority')::int ORDER BY n), array_agg((t.op ->> 'delay')::bigint ORDER BY n), array_agg(0::smallint ORDER BY n),
        array_agg(decode(t.op ->> 'body', 'base64') ORDER BY n), fq.now_ms())
    FROM json_array_elements(ops::json) WITH ORDINALITY AS t (op, n) WHERE t.op -> 'unique' IS NULL HAVING count(*) > 0;
    PERFORM fq.announce('w');
END $$;

-- Store results; a later one of a message replaces an earlier one.
CREATE OR REPLACE FUNCTION fq.store_results(ids text[], ttls bigint[], results bytea[], at bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    INSERT INTO fq.results (message_id, until, body)
    SELECT DISTINCT ON (t.id) t.id, at + t.ttl, t.content
    FROM unnest(ids, ttls, results) WITH ORDINALITY AS t (id, ttl, content, n) ORDER BY t.id, t.n DESC
    ON CONFLICT (message_id) DO UPDATE SET until = excluded.until, body = excluded.body, hold = '', ttl = 0;
END $$;

-- Apply dispositions to messages, named by their seq: 0 done, 1 dead, 2 released, 3 released and counted; other kinds and a seq of NULL change nothing.
-- A text is the fault of a dead one, as JSON, or why a released one was interrupted.
CREATE OR REPLACE FUNCTION fq.settle(seqs bigint[], kinds smallint[], texts text[], errors text[], at bigint) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF 1::smallint = ANY (kinds) THEN
        INSERT INTO fq.dead (message_id, queue, actor, priority, error, fault, died_at, body)
        SELECT m.message_id, m.queue, m.actor, m.priority, t.error, t.text, at, b.body
        FROM unnest(seqs, kinds, texts, errors) WITH ORDINALITY AS t (seq, kind, text, error, n)
        JOIN fq.messages m ON m.seq = t.seq JOIN fq.bodies b ON b.seq = t.seq
        WHERE t.kind = 1 ORDER BY n
        ON CONFLICT (message_id) DO UPDATE SET seq = DEFAULT, queue = excluded.queue, actor = excluded.actor, priority = excluded.priority,
            error = excluded.error, fault = excluded.fault, died_at = excluded.died_at, body = excluded.body;
    END IF;
    IF 0::smallint = ANY (kinds) OR 1::smallint = ANY (kinds) THEN
        WITH gone AS (
            DELETE FROM fq.messages m USING unnest(seqs, kinds) AS t (seq, kind) WHERE m.seq = t.seq AND t.kind IN (0, 1) RETURNING m.seq
        )
        DELETE FROM fq.bodies b USING gone WHERE b.seq = gone.seq;
    END IF;
    IF 2::smallint = ANY (kinds) OR 3::smallint = ANY (kinds) THEN
        UPDATE fq.messages m SET state = 1, token = 0, worker = '', interrupted = t.text, deliveries = deliveries - CASE WHEN t.kind = 2 THEN 1 ELSE 0 END
        FROM unnest(seqs, kinds, texts) AS t (seq, kind, text) WHERE m.seq = t.seq AND t.kind IN (2, 3);
    END IF;
END $$;

-- Put others in the place of messages, named by their seq. A fault of NULL leaves the one that is there.
CREATE OR REPLACE FUNCTION fq.reschedule(
    seqs bigint[], queues text[], actors text[], priorities int[], delays bigint[], faults text[], errors text[], bodies bytea[], at bigint
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    UPDATE fq.messages m SET queue = t.queue, actor = t.actor, priority = t.priority, state = CASE WHEN t.delay = 0 THEN 1 ELSE 0 END, due = at + t.delay,
        token = 0, worker = '', deliveries = 0, interrupted = '', fault = coalesce(t.fault, m.fault),
        error = coalesce(t.error, m.error), size = length(t.body)
    FROM unnest(seqs, queues, actors, priorities, delays, faults, errors, bodies) AS t (seq, queue, actor, priority, delay, fault, error, body)
    WHERE m.seq = t.seq;
    UPDATE fq.bodies b SET body = t.body FROM unnest(seqs, bodies) AS t (seq, body) WHERE b.seq = t.seq AND b.body <> t.body;
    PERFORM fq.list_queues(queues);
END $$;

-- Renew the lease of a worker, count one more turn, which asks for these queues, and return how many there were before.
CREATE OR REPLACE FUNCTION fq.register_turn(who text, until bigint, id text, asked text[]) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    before bigint;
BEGIN
    INSERT INTO fq.workers AS w (name, lease_until, turn_id, queues) VALUES (who, until, id, asked)
    ON CONFLICT (name) DO UPDATE SET lease_until = excluded.lease_until, turns = w.turns + 1, turn_id = excluded.turn_id,
        queues = CASE WHEN w.queues = excluded.queues THEN w.queues
                      ELSE (SELECT array_agg(DISTINCT q ORDER BY q) FROM unnest(w.queues || excluded.queues) AS q) END
    RETURNING turns INTO before;
    RETURN before;
END $$;

-- Make messages ready whose delay has ended, and return how many.
CREATE OR REPLACE FUNCTION fq.promote(at bigint, most int) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    promoted bigint;
BEGIN
    WITH late AS (SELECT m.seq FROM fq.messages m WHERE m.state = 0 AND m.due <= at ORDER BY m.due LIMIT most FOR UPDATE SKIP LOCKED)
    UPDATE fq.messages m SET state = 1 FROM late WHERE m.seq = late.seq;
    GET DIAGNOSTICS promoted = ROW_COUNT;
    RETURN promoted;
END $$;

CREATE OR REPLACE FUNCTION fq.claim(
    who text, asked text[], first bigint, most int, max_bytes bigint, at bigint,
    OUT token bigint, OUT ids text[], OUT queues text[], OUT actors text[], OUT bodies bytea[], OUT counts int[], OUT interrupts text[], OUT has_starters boolean
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
-- Claim messages of these queues, beginning with queue number `first`, by (priority, arrival) in each. has_starters: some free their unique keys now.
DECLARE
    chosen bigint[] := '{}';
    more bigint[];
    sizes int[];
    bytes bigint := 0;
    visits int := coalesce(array_length(asked, 1), 0);
    queue_name text;
    is_paused boolean;
BEGIN
    FOR number IN 0 .. visits - 1 LOOP
        EXIT WHEN most <= 0;
        queue_name := asked[(first + number) % visits + 1];
        SELECT q.paused INTO is_paused FROM fq.queues q WHERE q.name = queue_name;
        CONTINUE WHEN is_paused;
        SELECT array_agg(t.seq), array_agg(t.size), bytes + coalesce(sum(t.size), 0) INTO more, sizes, bytes FROM (
            SELECT m.seq, m.size FROM fq.messages m WHERE m.state = 1 AND m.queue = queue_name
            ORDER BY m.priority, m.due, m.seq LIMIT most FOR UPDATE SKIP LOCKED
        ) t;
        CONTINUE WHEN more IS NULL;
        IF is_paused IS NULL THEN
            PERFORM fq.list_queues(ARRAY[queue_name]);
        END IF;
        IF bytes > max_bytes THEN
            bytes := bytes - (SELECT sum(t.size) FROM unnest(sizes) AS t (size));
            SELECT array_agg(t.seq ORDER BY t.n) INTO more
            FROM (SELECT u.seq, u.n, sum(u.size) OVER (ORDER BY u.n) AS total FROM unnest(more, sizes) WITH ORDINALITY AS u (seq, size, n)) t
            WHERE bytes + t.total <= max_bytes OR (t.n = 1 AND chosen = '{}');
            most := 0;
        END IF;
        chosen := chosen || more;
        most := most - coalesce(array_length(more, 1), 0);
    END LOOP;
    IF chosen = '{}' THEN
        RETURN;
    END IF;
    token := nextval('fq.tokens');
    WITH taken AS (
        UPDATE fq.messages m SET state = 2, token = claim.token, worker = who, claimed = at, deliveries = m.deliveries + 1
        FROM unnest(chosen) WITH ORDINALITY AS c (seq, n) WHERE m.seq = c.seq
        RETURNING c.n, m.seq, m.message_id, m.queue, m.actor, m.deliveries, m.interrupted, m.keyed
    )
    SELECT array_agg(t.message_id), array_agg(t.queue), array_agg(t.actor), array_agg(t.body),
        array_agg(t.deliveries), array_agg(t.interrupted), bool_or(t.keyed = 2)
    INTO ids, queues, actors, bodies, counts, interrupts, has_starters
    FROM (SELECT taken.*, b.body FROM taken JOIN fq.bodies b ON b.seq = taken.seq ORDER BY taken.n) t;
    UPDATE fq.workers w SET token = claim.token WHERE w.name = who;
END $$;

-- When the next delay ends, the next lease of another worker, when the first mark falls due, and the next one after `seen`. NULL is never.
CREATE OR REPLACE FUNCTION fq.outlook(
    who text, at bigint, seen bigint, OUT next_due bigint, OUT next_lease bigint, OUT first_mark bigint, OUT next_mark bigint
) LANGUAGE plpgsql STABLE SET enable_seqscan = off SET jit = off AS $$
BEGIN
    next_due := (SELECT m.due FROM fq.messages m WHERE m.state = 0 ORDER BY m.due LIMIT 1);
    next_lease := (SELECT min(w.lease_until) FROM fq.workers w WHERE w.name <> who);
    first_mark := (SELECT m.place FROM fq.marks m WHERE m.list = 'due' AND m.list <> '' AND (m.until = 0 OR m.until > at) ORDER BY m.place LIMIT 1);
    next_mark := (SELECT m.place FROM fq.marks m WHERE m.list = 'due' AND m.list <> '' AND (m.until = 0 OR m.until > at) AND m.place > seen
        ORDER BY m.place LIMIT 1);
END $$;

-- A turn whose commits touch nothing but their own messages, results and new messages without unique keys, while nothing is cancelled and no lease has
-- expired. Any number of them run side by side. In any other case it raises FQ001, and the caller takes a turn alone.
-- Commits without kinds are all of kind 0: their messages are done, and go in one pass.
-- The switches make for plans that read rows in the order of an index, a few for each message, however little the server knows of the tables yet.
-- "+ 0" keeps planners from the index of running messages: those of one claim have one token, so each look there would read all of them.
CREATE OR REPLACE FUNCTION fq.plain_turn(
    who text, lease bigint, id text, listed text[], asked text[], most int, max_bytes bigint,
    c_ids text[], c_tokens bigint[], c_kinds smallint[], c_texts text[], c_errors text[],
    r_places int[], r_queues text[], r_actors text[], r_priorities int[], r_delays bigint[], r_faults text[], r_errors text[], r_bodies bytea[],
    e_ids text[], e_queues text[], e_actors text[], e_priorities int[], e_delays bigint[], e_keyed smallint[], e_bodies bytea[],
    s_ids text[], s_ttls bigint[], s_bodies bytea[],
    OUT at bigint, OUT stale text[], OUT is_more boolean, OUT next_due bigint, OUT next_lease bigint, OUT first_mark bigint, OUT next_mark bigint,
    OUT token bigint, OUT ids text[], OUT queues text[], OUT actors text[], OUT bodies bytea[], OUT counts int[], OUT interrupts text[]
) LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    seqs bigint[];
    done text[];
    turns bigint;
    promoted bigint := 0;
    is_keyed boolean := false;
    has_starters boolean;
BEGIN
    at := fq.lock_shared();
    IF EXISTS (SELECT 1 FROM fq.cancelled) OR EXISTS (SELECT 1 FROM fq.inbox) OR EXISTS (SELECT 1 FROM fq.workers w WHERE w.lease_until <= at AND w.name <> who) THEN
        RAISE EXCEPTION 'this turn must be alone' USING ERRCODE = 'FQ001';
    END IF;
    turns := fq.register_turn(who, at + lease, id, listed);
    stale := '{}';
    IF c_ids <> '{}' THEN
        IF c_kinds = '{}' THEN
            WITH gone AS (
                DELETE FROM fq.messages m USING unnest(c_ids, c_tokens) AS c (id, token)
                WHERE m.message_id = c.id AND m.token + 0 = c.token AND m.state + 0 = 2 RETURNING m.seq, m.message_id, m.keyed
            ), emptied AS (
                DELETE FROM fq.bodies b USING gone WHERE b.seq = gone.seq
            )
            SELECT coalesce(array_agg(message_id), '{}'), coalesce(bool_or(keyed <> 0), false) INTO done, is_keyed FROM gone;
            IF coalesce(array_length(done, 1), 0) < array_length(c_ids, 1) THEN
                SELECT array_agg(c.id ORDER BY c.n) INTO stale FROM unnest(c_ids) WITH ORDINALITY AS c (id, n)
                WHERE NOT EXISTS (SELECT 1 FROM unnest(done) AS d (id) WHERE d.id = c.id);
            END IF;
        ELSE
            SELECT array_agg(l.seq ORDER BY c.n), coalesce(array_agg(c.id ORDER BY c.n) FILTER (WHERE l.seq IS NULL), '{}'), coalesce(bool_or(l.keyed <> 0), false)
            INTO seqs, stale, is_keyed
            FROM unnest(c_ids) WITH ORDINALITY AS c (id, n) LEFT JOIN (
                SELECT o.n, m.seq, m.keyed FROM unnest(c_ids, c_tokens) WITH ORDINALITY AS o (id, token, n)
                JOIN fq.messages m ON m.message_id = o.id AND m.token + 0 = o.token WHERE m.state + 0 = 2 ORDER BY m.seq FOR UPDATE OF m
            ) l ON l.n = c.n;
        END IF;
        IF is_keyed OR (stale <> '{}' AND (e_ids <> '{}' OR s_ids <> '{}' OR r_places <> '{}')) THEN
            RAISE EXCEPTION 'this turn must be alone' USING ERRCODE = 'FQ001';
        END IF;
        IF c_kinds <> '{}' THEN
            PERFORM fq.settle(seqs, c_kinds, c_texts, c_errors, at);
        END IF;
        IF r_places <> '{}' THEN
            PERFORM fq.reschedule((SELECT array_agg(seqs[p] ORDER BY n) FROM unnest(r_places) WITH ORDINALITY AS t (p, n)),
                r_queues, r_actors, r_priorities, r_delays, r_faults, r_errors, r_bodies, at);
        END IF;
        IF s_ids <> '{}' THEN
            PERFORM fq.store_results(s_ids, s_ttls, s_bodies, at);
            PERFORM fq.announce('r');
        END IF;
        IF e_ids <> '{}' THEN
            PERFORM fq.put(e_ids, e_queues, e_actors, e_priorities, e_delays, e_keyed, e_bodies, at);
            PERFORM fq.list_queues(e_queues);
        END IF;
    END IF;
    IF EXISTS (SELECT 1 FROM fq.messages m WHERE m.state = 0 AND m.due <= at) THEN
        promoted := fq.promote(at, 1000);
    END IF;
    is_more := promoted = 1000;
    IF e_ids <> '{}' OR r_places <> '{}' OR promoted > 0 OR 2::smallint = ANY (c_kinds) OR 3::smallint = ANY (c_kinds) THEN
        PERFORM fq.announce('w');
    END IF;
    IF most > 0 THEN
        SELECT c.token, c.ids, c.queues, c.actors, c.bodies, c.counts, c.interrupts, c.has_starters
        INTO token, ids, queues, actors, bodies, counts, interrupts, has_starters
        FROM fq.claim(who, asked, turns, most, max_bytes, at) c;
        IF has_starters THEN
            RAISE EXCEPTION 'this turn must be alone' USING ERRCODE = 'FQ001';
        END IF;
    END IF;
    SELECT o.next_due, o.next_lease, o.first_mark, o.next_mark INTO next_due, next_lease, first_mark, next_mark FROM fq.outlook(who, at, at) o;
END $$;
