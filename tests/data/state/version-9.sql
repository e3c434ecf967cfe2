-- What version 9 of the schema left of one round. Kept as it is: migrations are tried on it.
PRAGMA application_id = 1936601911;
PRAGMA user_version = 9;
BEGIN TRANSACTION;
CREATE TABLE beginning (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        value TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "beginning" VALUES(1,'{"way":"receipts","block":700,"source":"other","num_rescored":0,"follows_from":[[1,720]]}');
CREATE TABLE draw (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        task TEXT NOT NULL,
        method TEXT NOT NULL,
        pool_size INTEGER NOT NULL,
        pool_digest TEXT NOT NULL,
        manifest TEXT NOT NULL,
        samples TEXT, reserve TEXT,
        UNIQUE (round_id, task)
    ) STRICT
    ;
INSERT INTO "draw" VALUES(1,1,'text','reference_loss',1000,'b4c8b0930e4685d0f9c6d275ee63ad9714c45cfd1e0fdd3dc4b09c3e1d43f931','[["row-00000","8a52af27b94423e1f0a2aefdfe41c261d5dc3226fbdf3152c339815182f9b845"],["row-00001","e827bc12dca4f60e14597343f34d42d8b62fc1037f4cecbb86e56a9e35424459"],["row-00002","0172fcbd30765aa696b9e40fab428e1694a4ade0ac8463ae7664e3c46ccf3263"],["row-00003","9c327c2489af57064fbb6bfa144c1882165104776f0857d6afa6a856644fc04e"],["row-00004","386045efa20c6ad1c9cf67588f67185aa0b6a9867dca464b819a316d5db8034e"],["row-00005","bb1bd9092103b464e52458a01e6b67c728a99c1946af79894438038ada31be89"],["row-00006","b331a62bcff562c4b5ac757ea21c5a66868c0f0890133334608f93350cc2275a"],["row-00007","5cc77df750bb5da6afded30f5ed6fb3e20c06450c1f51dce60591749cd2ab758"],["row-00008","a388cdd617ede86296ee41b2be803cac4fe9704f1a77a8e05f95bed4b8a9ea9a"],["row-00009","7ebbefda7068a3240a415680652bd9aedce0b4c859846441bec8a0d8073811ee"],["row-00010","b5ff96e2a6a2f65892f7ad6b68c3baac69ab886ebf137040eef6cfe8c0e5bafc"],["row-00011","558e755d14e63c99ee118cac5afb32456e2aeab337128ca3a0dd5df95403bb5b"],["row-00012","6a4c6f4a872324a2e88fdce6631cceaf1520125884ca2500bcd334163773f06a"],["row-00013","abe15511f89b539a66ca45840d77e31bd98b7b6c272f2315c4c2777fbd6ae8ab"],["row-00014","e4ae704869ed00799c0fa081e0de73e5b9039cf37e375d747137152530d7ad77"],["row-00015","fed18d4c345b74846aeecbc4ee62a0a06a2b6645a38468bdca58d462a255d34f"],["row-00016","e4c11b261479677b9a2c9f8ec716d22f0e07ab520b7883e025d6c131c2ce0349"],["row-00017","2b92fc712b99c6ec5e83b418c9370a7edbd4146651e7a91ba5044ee3a6402dff"],["row-00018","f8cb09f8c8a8dd9c9db7ee3694e29a9ac135ab24ad1bbee42d45ee42e585aea2"],["row-00019","512094bd05c2060833b86f6df0da8459c374cca09a1a4c0da25f1f5f77a7e81c"],["row-00020","70cabb0f04ae97691051e111ededf352598b8cfd7bcbdde3a57d45895044cc2b"],["row-00021","ce46eeac14794469b249cb0995ed52dd5f54254a83a475fac003ec29dddebac9"],["row-00022","0809f3c6be26d5b8d4ba48f0ffad068b1aa51e28bf0d75e6ee5e42b2b0b1c539"],["row-00023","192a80b4f2a4fe4a93b68326a87c46ca7955a6da5d693ebc5265c171fde311b1"],["row-00024","1db8ffeff38c36b598efb935ddfd8cf627222105b57672fce8ce6acd7f304051"],["row-00025","fd1c9e4b19fc8c9576a25e27dabd05e0f74dd6209bcfd1b4d5420d9ed532127d"],["row-00026","30e05748e7f7c18e4ab67a8e0a36ee6f3a8fe91b5036113fc4f1be06ee27d7e7"],["row-00027","75a383cee7bc782fca01cbce7b5f0a14cf034c99abe17e2d68126f44f6b7ee7c"],["row-00028","f9a06bc02db51233241eded45d2aafeea346a4c168cbcb549affabef89f3354d"],["row-00029","80d4598ba0650da03d6e5acba4c11ce883e07b9d49ba8427dfd9064c1da359fa"],["row-00030","365225153bfb74a608d0c7dd095f412997174eb495cf903d4f36f062485872e6"],["row-00031","922d7f9becf847823d99c11d0e9a93d3326e02f95878e6bf0db609d50331a80a"]]','[{"prompt":"What is in row-00000?","reference":"Here is the text of row-00000.","choices":[],"provenance":{"row_id":"row-00000","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00001?","reference":"Here is the text of row-00001.","choices":[],"provenance":{"row_id":"row-00001","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00002?","reference":"Here is the text of row-00002.","choices":[],"provenance":{"row_id":"row-00002","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00003?","reference":"Here is the text of row-00003.","choices":[],"provenance":{"row_id":"row-00003","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00004?","reference":"Here is the text of row-00004.","choices":[],"provenance":{"row_id":"row-00004","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00005?","reference":"Here is the text of row-00005.","choices":[],"provenance":{"row_id":"row-00005","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00006?","reference":"Here is the text of row-00006.","choices":[],"provenance":{"row_id":"row-00006","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00007?","reference":"Here is the text of row-00007.","choices":[],"provenance":{"row_id":"row-00007","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00008?","reference":"Here is the text of row-00008.","choices":[],"provenance":{"row_id":"row-00008","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00009?","reference":"Here is the text of row-00009.","choices":[],"provenance":{"row_id":"row-00009","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00010?","reference":"Here is the text of row-00010.","choices":[],"provenance":{"row_id":"row-00010","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00011?","reference":"Here is the text of row-00011.","choices":[],"provenance":{"row_id":"row-00011","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00012?","reference":"Here is the text of row-00012.","choices":[],"provenance":{"row_id":"row-00012","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00013?","reference":"Here is the text of row-00013.","choices":[],"provenance":{"row_id":"row-00013","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00014?","reference":"Here is the text of row-00014.","choices":[],"provenance":{"row_id":"row-00014","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00015?","reference":"Here is the text of row-00015.","choices":[],"provenance":{"row_id":"row-00015","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00016?","reference":"Here is the text of row-00016.","choices":[],"provenance":{"row_id":"row-00016","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00017?","reference":"Here is the text of row-00017.","choices":[],"provenance":{"row_id":"row-00017","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00018?","reference":"Here is the text of row-00018.","choices":[],"provenance":{"row_id":"row-00018","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00019?","reference":"Here is the text of row-00019.","choices":[],"provenance":{"row_id":"row-00019","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00020?","reference":"Here is the text of row-00020.","choices":[],"provenance":{"row_id":"row-00020","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00021?","reference":"Here is the text of row-00021.","choices":[],"provenance":{"row_id":"row-00021","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00022?","reference":"Here is the text of row-00022.","choices":[],"provenance":{"row_id":"row-00022","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00023?","reference":"Here is the text of row-00023.","choices":[],"provenance":{"row_id":"row-00023","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00024?","reference":"Here is the text of row-00024.","choices":[],"provenance":{"row_id":"row-00024","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00025?","reference":"Here is the text of row-00025.","choices":[],"provenance":{"row_id":"row-00025","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00026?","reference":"Here is the text of row-00026.","choices":[],"provenance":{"row_id":"row-00026","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00027?","reference":"Here is the text of row-00027.","choices":[],"provenance":{"row_id":"row-00027","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00028?","reference":"Here is the text of row-00028.","choices":[],"provenance":{"row_id":"row-00028","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00029?","reference":"Here is the text of row-00029.","choices":[],"provenance":{"row_id":"row-00029","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00030?","reference":"Here is the text of row-00030.","choices":[],"provenance":{"row_id":"row-00030","produced_at":null,"signer":null,"stratum":null}},{"prompt":"What is in row-00031?","reference":"Here is the text of row-00031.","choices":[],"provenance":{"row_id":"row-00031","produced_at":null,"signer":null,"stratum":null}}]',NULL);
CREATE TABLE environment (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (round_id, hotkey, block)
    ) STRICT
    ;
INSERT INTO "environment" VALUES(1,1,'alice',100,'{"device":"cpu","dtype":"float32"}');
CREATE TABLE journal (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        task TEXT NOT NULL,
        first INTEGER NOT NULL,
        stop INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        seconds REAL NOT NULL,
        losses BLOB NOT NULL, controls TEXT,
        UNIQUE (round_id, hotkey, block, task, first, stop)
    ) STRICT
    ;
INSERT INTO "journal" VALUES(1,1,'alice',100,'text',0,16,160,0.5,X'0000000000000000000000000000B03F000000000000C03F000000000000C83F000000000000D03F000000000000D43F000000000000D83F000000000000DC3F000000000000E03F000000000000E23F000000000000E43F000000000000E63F000000000000E83F000000000000EA3F000000000000EC3F000000000000EE3F',NULL);
CREATE TABLE newcomer_time (
        competition INTEGER NOT NULL,
        sync_block INTEGER NOT NULL,
        seconds REAL NOT NULL,
        PRIMARY KEY (competition, sync_block)
    ) STRICT
    ;
INSERT INTO "newcomer_time" VALUES(1,720,12.5);
CREATE TABLE opinion (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (round_id, hotkey, block)
    ) STRICT
    ;
CREATE TABLE outcome (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (round_id, hotkey, block)
    ) STRICT
    ;
INSERT INTO "outcome" VALUES(1,1,'alice',100,'scored','{"key":["alice",100],"verdict":"scored","reason":null,"detail":""}');
CREATE TABLE pool (
        id INTEGER PRIMARY KEY,
        round_id INTEGER NOT NULL REFERENCES round (id),
        task TEXT NOT NULL,
        samples TEXT NOT NULL,
        UNIQUE (round_id, task)
    ) STRICT
    ;
CREATE TABLE receipt (
        outcome_id INTEGER PRIMARY KEY REFERENCES outcome (id),
        validator TEXT NOT NULL,
        document BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT
    ;
INSERT INTO "receipt" VALUES(1,'validator',X'7B2274657874223A226669727374222C2276657273696F6E223A317D',X'61373933376236346238636161353866303337323162623662616366356337386362323335666562653065373062316238346364393935343134363161303865');
CREATE TABLE round (
        id INTEGER PRIMARY KEY,
        competition INTEGER NOT NULL,
        sync_block INTEGER NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('frozen', 'open', 'finished')),
        plan TEXT,
        result TEXT,
        UNIQUE (competition, sync_block)
    ) STRICT
    ;
INSERT INTO "round" VALUES(1,1,720,'finished','{"key":[1,720],"sync":[720,"0x6edcdbf8e697c02ff10122ed961f9d95467d0e40910278379c16154639d60cd5"],"champion":["alice",100],"entries":[["alice",100]],"manifest_digest":"e4c926a094ca4dfa147cab98058b3dbc39ef73e6cc8e0b8b88f18dd52e716855","listed":[],"unreadable":[],"unprobed":[],"premises":null,"signers":{"hotkeys":[],"samples":{"text":[null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null,null]}}}','{"key":[1,720],"sync":[720,"0x6edcdbf8e697c02ff10122ed961f9d95467d0e40910278379c16154639d60cd5"],"manifest_digest":"e4c926a094ca4dfa147cab98058b3dbc39ef73e6cc8e0b8b88f18dd52e716855","champion":["alice",100],"entries":[{"key":["alice",100],"repo":"alice/model","verdict":"scored","reason":null,"detail":"","score":1.0,"tasks":[{"task":"text","raw":1.0,"normalized":1.0,"weighted":1.0}],"num_samples":32}],"skipped":null,"later":null,"near_duplicates":null,"is_shielded":true,"clocks":[],"postponed":[],"forgotten_at":null}');
CREATE TABLE statement (
        round_id INTEGER PRIMARY KEY REFERENCES round (id),
        validator TEXT NOT NULL,
        document BLOB NOT NULL,
        signature BLOB NOT NULL
    ) STRICT
    ;
INSERT INTO "statement" VALUES(1,'validator',X'7B2274657874223A2273746174656D656E74222C2276657273696F6E223A317D',X'62313131633665316433313866323033303633653563313662616234336331303833323661663061613266376236353736306339353534376134336462653532');
CREATE TABLE submission (
        hotkey TEXT NOT NULL,
        block INTEGER NOT NULL,
        competition INTEGER NOT NULL,
        status TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (hotkey, block)
    ) STRICT
    ;
INSERT INTO "submission" VALUES('alice',100,1,'seen','{"commitment":{"hotkey":"alice","block":100,"extrinsic_index":0,"competition":1,"model":{"repo":"alice/model","revision":"bee157568eed7367e25650619161248e158b9363","secure_hash":"nr4rYFYoEv5umOEjm/7JAk01/rFjJWpL7aizMHlueAY="},"format":"v2"},"clock_block":100,"artifact":null,"rejection":null,"detail":"","duplicate_of":null,"failures":0,"missed_rounds":0,"retired":false}');
CREATE TABLE weights (
        sync_block INTEGER PRIMARY KEY,
        extrinsic TEXT,
        value TEXT NOT NULL
    ) STRICT
    ;
INSERT INTO "weights" VALUES(720,NULL,'{"sync_block":720,"weights":{"alice":1.0},"sent_at":725,"extrinsic":null,"newest_rounds":[]}');
CREATE INDEX journal_by_entry ON journal (hotkey, block);
COMMIT;
