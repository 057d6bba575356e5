-- What a store of schema 4 held besides: a delivery that waits, one that was processed, a hook, an incident. Those runs have no commit yet.
INSERT INTO deliveries (no, source, id, origin, event, hook, digest, received_at, status, detail, addresses, runs, tries, next_at, body) VALUES
    (1, 'github', X'72D3162ECC7811E381AB4C9367DC0958', 'webhook', 'check_run', 77, X'0101010101010101010101010101010101010101010101010101010101010101', 1700000012000, 'waiting', 'no run has pull request 7', '[{"repo_id":5,"repo":"acme/widget","pr":7,"sha":null,"branch":null,"whole_repository":false}]', NULL, 1, NULL, X'7B7D');
INSERT INTO waiting (delivery, place, repo_id, repo, pr_number, sha, branch, whole) VALUES
    (1, 0, 5, 'acme/widget', 7, NULL, NULL, 0);
INSERT INTO deliveries (no, source, id, origin, event, hook, digest, received_at, status, detail, addresses, runs, tries, next_at, body) VALUES
    (2, 'github', X'00000000000000000000000000000002', 'reconciled', 'pull_request', NULL, X'0202020202020202020202020202020202020202020202020202020202020202', 1700000013000, 'processed', '', NULL, '["older"]', 1, NULL, X'7B7D');
INSERT INTO hooks (id, repo, events, seen_at) VALUES
    (77, 'acme/widget', '["*"]', 1700000011000);
INSERT INTO incidents (no, at, kind, delivery, detail) VALUES
    (1, 1700000014000, 'other_body', X'72D3162ECC7811E381AB4C9367DC0958', 'the same name came with other bytes');
