-- What a store of schema 2 held besides: the rows of those runs, and a lease that was given back.
INSERT INTO runs (run_id, repo, prompt_version, title, state, reason, last_error, pr_number, version, last_seq, created_at, updated_at, head_hash) VALUES
    ('newer', 'acme/widget', 'v1', 'Round half to even in the price column', 'DISCOVERY', 'discovery_started', NULL, NULL, 3, 4, 1700000000000, 1700000002000, X'FB6EAFE43553E9F0E94C91E5484ACE0DDBAB9518CE3A0750A7901DDE82025382');
INSERT INTO runs (run_id, repo, prompt_version, title, state, reason, last_error, pr_number, version, last_seq, created_at, updated_at, head_hash) VALUES
    ('older', 'acme/widget', 'v1', 'Round half to even in the price column', 'IMPLEMENTING', 'implementation_started', NULL, NULL, 12, 15, 1700000000000, 1700000011000, X'CD33DD91CBFC45F2849C6FDB1B7E55A2E0F00C851DD40E2263676C3F05D08529');
INSERT INTO attempts (seq, run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log, message) VALUES
    (4, 'newer', 1, 'prepare', 1700000002000, NULL, NULL, NULL, 0, NULL, '');
INSERT INTO attempts (seq, run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log, message) VALUES
    (6, 'older', 1, 'prepare', 1700000002000, 1700000004000, 'succeeded', 0, 81230, 'run/attempt-1.log', 'the program ended by itself');
INSERT INTO attempts (seq, run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log, message) VALUES
    (9, 'older', 2, 'plan', 1700000005000, 1700000006000, 'succeeded', 0, 81230, 'run/attempt-2.log', 'the program ended by itself');
INSERT INTO attempts (seq, run_id, no, step, started_at, ended_at, outcome, exit_code, duration_ms, log, message) VALUES
    (13, 'older', 3, 'agent', 1700000009000, 1700000011000, 'succeeded', 0, 81230, 'run/attempt-3.log', 'the program ended by itself');
INSERT INTO artifacts (run_id, seq, kind, uri, sha256, at) VALUES
    ('older', 11, 'contract', 'run/contract.md', '0000000000000000000000000000000000000000000000000000000000000007', 1700000007000);
INSERT INTO leases (run_id, owner, generation, wall, boot, monotonic_ms) VALUES
    ('older', NULL, 7, 1700000000000, 'boot', 0);
