-- What a store of schema 3 held besides: what the agents of those runs used, which nobody read then.
INSERT INTO usage (seq, run_id, no, repository, started_at, ended_at, agent, version, model, role, class, reserved_tokens, reserved_micros, reserved_secs, reserved_turns, settled, input, cached, cache_write, output, reasoning, micros, source, turns, duration_ms) VALUES
    (9, 'older', 2, 'acme/widget', 1700000005000, 1700000006000, '', '', '', 'build', NULL, NULL, NULL, NULL, NULL, 1, 0, 0, 0, 0, 0, 0, 'unknown', 0, 81230);
INSERT INTO usage (seq, run_id, no, repository, started_at, ended_at, agent, version, model, role, class, reserved_tokens, reserved_micros, reserved_secs, reserved_turns, settled, input, cached, cache_write, output, reasoning, micros, source, turns, duration_ms) VALUES
    (13, 'older', 3, 'acme/widget', 1700000009000, 1700000011000, '', '', '', 'build', NULL, NULL, NULL, NULL, NULL, 1, 0, 0, 0, 0, 0, 0, 'unknown', 0, 81230);
