BEGIN TRANSACTION;
CREATE TABLE acceptance (
	id INTEGER NOT NULL, 
	series_key VARCHAR(64) NOT NULL, 
	change_id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	until_run_id INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	accepted_by VARCHAR(1024) NOT NULL, 
	accepted_ns BIGINT NOT NULL, 
	withdrawn_ns BIGINT, 
	CONSTRAINT pk_acceptance PRIMARY KEY (id), 
	CONSTRAINT fk_acceptance_change_id_series_change FOREIGN KEY(change_id) REFERENCES series_change (id), 
	CONSTRAINT fk_acceptance_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_acceptance_until_run_id_run FOREIGN KEY(until_run_id) REFERENCES run (id)
);
INSERT INTO "acceptance" VALUES(1,'series_key',1,1,1,'reason','accepted_by',202601,202601);
CREATE TABLE accuracy_sample (
	attempt_id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	test_id INTEGER, 
	variant_id INTEGER NOT NULL, 
	task VARCHAR(1024) NOT NULL, 
	dataset VARCHAR NOT NULL, 
	item VARCHAR(1024) NOT NULL, 
	prompt VARCHAR NOT NULL, 
	decode_seed BIGINT NOT NULL, 
	outcome VARCHAR(1024) NOT NULL, 
	score DOUBLE, 
	blob VARCHAR, 
	CONSTRAINT pk_accuracy_sample PRIMARY KEY (attempt_id, seq), 
	CONSTRAINT fk_accuracy_sample_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_accuracy_sample_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_accuracy_sample_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id)
);
INSERT INTO "accuracy_sample" VALUES(1,90,1,1,'arc','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','q-1','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',1,'1',0.75,NULL);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0004');
CREATE TABLE artifact (
	attempt_id INTEGER NOT NULL, 
	name VARCHAR(1024) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	media_type VARCHAR(1024) NOT NULL, 
	CONSTRAINT pk_artifact PRIMARY KEY (attempt_id, name), 
	CONSTRAINT fk_artifact_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_artifact_sha256_blob FOREIGN KEY(sha256) REFERENCES blob (sha256)
);
INSERT INTO "artifact" VALUES(2,'report.txt','aaccdc6c0de129bd29722d2d567fecf56c20e117bb467109b633af7d13b4c8fe',11,'application/octet-stream');
CREATE TABLE "attempt" (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	task_id INTEGER NOT NULL, 
	number BIGINT NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	reason TEXT NOT NULL, 
	failure_class VARCHAR, 
	failure_source VARCHAR, 
	confidence DOUBLE, 
	executor VARCHAR(1024) NOT NULL, 
	pool VARCHAR(1024) NOT NULL, 
	holder VARCHAR, 
	fence BIGINT NOT NULL, 
	token_sha256 VARCHAR(64) NOT NULL, 
	boot_id VARCHAR(1024) NOT NULL, 
	lease_expires_mono_ns BIGINT NOT NULL, 
	exit_code INTEGER, 
	created_ns BIGINT NOT NULL, 
	started_ns BIGINT, 
	ended_ns BIGINT, 
	acked_seq BIGINT NOT NULL, 
	acked_bytes BIGINT NOT NULL, 
	in_flight JSON NOT NULL, 
	environment_id INTEGER, 
	device_id INTEGER, 
	evidence JSON, 
	observed_digest VARCHAR, 
	purpose VARCHAR(1024) DEFAULT 'result' NOT NULL, 
	invalidation_id INTEGER, 
	cpus BIGINT DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_attempt PRIMARY KEY (id), 
	CONSTRAINT ck_attempt_state CHECK (state IN ('leased', 'started', 'passed', 'failed', 'errored', 'timed_out', 'lost', 'preempted', 'cancelled')), 
	CONSTRAINT uq_attempt_ulid UNIQUE (ulid), 
	CONSTRAINT uq_attempt_task_id_number UNIQUE (task_id, number), 
	CONSTRAINT fk_attempt_environment_id_environment FOREIGN KEY(environment_id) REFERENCES environment (id), 
	CONSTRAINT fk_attempt_task_id_task FOREIGN KEY(task_id) REFERENCES task (id), 
	CONSTRAINT fk_attempt_device_id_device FOREIGN KEY(device_id) REFERENCES device (id), 
	CONSTRAINT fk_attempt_invalidation_id_invalidation FOREIGN KEY(invalidation_id) REFERENCES invalidation (id)
);
INSERT INTO "attempt" VALUES(1,'01M7ZAKMW8KZ8JABP2TV9VC4YW',1,1,'passed','all tests passed',NULL,'runner',1.0,'fake','fake','boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW',1,'ebd215d576291107a20a00c92ad6159940af1dc5730aac02e657786f6778b1d7','boot-1',71000000000,0,1700000020000000000,1700000040000000000,1700000060000000000,8,1031,'[]',1,NULL,NULL,NULL,'result',NULL,1);
INSERT INTO "attempt" VALUES(2,'01M7ZAKMXW11QY7D7RSBN07AE1',2,1,'errored','exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest','harness','manifest',1.0,'fake','fake','boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1',1,'1ae658fefcbdf2345135a80204500e5ac7262dbe2cb65ace4a29904186490e18','boot-1',111000000000,10,1700000060000000000,1700000080000000000,1700000100000000000,9,1402,'[]',2,NULL,NULL,NULL,'result',NULL,1);
INSERT INTO "attempt" VALUES(3,'01M7ZAKN069Y0G47ADBZ88GVNW',4,1,'leased','',NULL,NULL,NULL,'fake','fake',NULL,0,'b6fcdb19c7723c47dce997d9249fc4e8eb805159cdeabfe7b849b0aa0a544441','boot-1',241000000000,NULL,1700000120000000000,NULL,NULL,0,0,'[]',NULL,NULL,NULL,NULL,'result',NULL,1);
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at_ns BIGINT NOT NULL, 
	actor VARCHAR(1024) NOT NULL, 
	action VARCHAR(1024) NOT NULL, 
	target VARCHAR(1024) NOT NULL, 
	outcome VARCHAR(1024) NOT NULL, 
	address VARCHAR(1024) NOT NULL, 
	detail JSON NOT NULL, 
	run_id INTEGER, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id), 
	CONSTRAINT fk_audit_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "audit" VALUES(1,202601,'actor','action','target','outcome','address','{}',NULL,'reason');
CREATE TABLE blob (
	sha256 VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	CONSTRAINT pk_blob PRIMARY KEY (sha256)
);
INSERT INTO "blob" VALUES('c082aaad16886237b77706823ac1808aa09fb9ce0205760fe1149feac566a4dc',2396);
INSERT INTO "blob" VALUES('2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d',38);
INSERT INTO "blob" VALUES('a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3',99);
INSERT INTO "blob" VALUES('31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d',53);
INSERT INTO "blob" VALUES('81bceba02215aba9e9984f1900538ba209979cc76239f2e2657e89b3bfeb873d',8);
INSERT INTO "blob" VALUES('4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f',66);
INSERT INTO "blob" VALUES('aaccdc6c0de129bd29722d2d567fecf56c20e117bb467109b633af7d13b4c8fe',11);
INSERT INTO "blob" VALUES('db56f29ad487fd4c5cdedd2ee4f4870a21df460f423734314cba8b33dfe17a39',938);
CREATE TABLE cell (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	"key" VARCHAR(1024) NOT NULL, 
	task VARCHAR(1024) NOT NULL, 
	platform VARCHAR(1024) NOT NULL, 
	variant_id INTEGER NOT NULL, 
	required VARCHAR(1024) NOT NULL, 
	requires JSON NOT NULL, 
	inventory_digest VARCHAR, 
	left_out BIGINT NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	verdict VARCHAR, 
	reason TEXT NOT NULL, 
	failure_class VARCHAR, 
	CONSTRAINT pk_cell PRIMARY KEY (id), 
	CONSTRAINT uq_cell_run_id_key UNIQUE (run_id, "key"), 
	CONSTRAINT fk_cell_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_cell_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id), 
	CONSTRAINT ck_cell_state CHECK (state IN ('waiting', 'queued', 'running', 'done', 'reused', 'precluded', 'not_executable', 'cancelled'))
);
INSERT INTO "cell" VALUES(1,1,'unit','unit','here',1,'always','{}','2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d',0,'done','passed','',NULL);
INSERT INTO "cell" VALUES(2,1,'kernels','kernels','here',2,'always','{}','a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3',0,'done','errored','exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest','harness');
INSERT INTO "cell" VALUES(3,1,'windows@windows','windows@windows','windows',3,'always','{"executables": ["wine64"]}','31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d',0,'not_executable','not_executable','wine64 is not installed',NULL);
INSERT INTO "cell" VALUES(4,2,'unit','unit','here',1,'always','{}','2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d',0,'queued',NULL,'',NULL);
CREATE TABLE collected (
	attempt_id INTEGER NOT NULL, 
	test_id INTEGER NOT NULL, 
	CONSTRAINT pk_collected PRIMARY KEY (attempt_id, test_id), 
	CONSTRAINT fk_collected_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_collected_test_id_test FOREIGN KEY(test_id) REFERENCES test (id)
);
INSERT INTO "collected" VALUES(1,2);
INSERT INTO "collected" VALUES(1,3);
INSERT INTO "collected" VALUES(2,1);
INSERT INTO "collected" VALUES(2,4);
CREATE TABLE comparison (
	run_id INTEGER NOT NULL, 
	series_key VARCHAR(64) NOT NULL, 
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	metric VARCHAR(1024) NOT NULL, 
	outcome VARCHAR(1024) NOT NULL, 
	estimate DOUBLE, 
	low DOUBLE, 
	high DOUBLE, 
	baseline_points BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	body JSON NOT NULL, 
	CONSTRAINT pk_comparison PRIMARY KEY (run_id, series_key), 
	CONSTRAINT fk_comparison_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_comparison_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_comparison_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id)
);
INSERT INTO "comparison" VALUES(1,'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',1,1,'latency','unchanged',0.01,-0.02,0.04,5,'','{}');
CREATE TABLE confirmation (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	run_id INTEGER NOT NULL, 
	change_id INTEGER, 
	state VARCHAR(1024) NOT NULL, 
	answer VARCHAR, 
	reason TEXT NOT NULL, 
	budget_seconds BIGINT NOT NULL, 
	body JSON NOT NULL, 
	result JSON, 
	requested_by VARCHAR(1024) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	decided_ns BIGINT, 
	CONSTRAINT pk_confirmation PRIMARY KEY (id), 
	CONSTRAINT uq_confirmation_ulid UNIQUE (ulid), 
	CONSTRAINT fk_confirmation_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_confirmation_change_id_series_change FOREIGN KEY(change_id) REFERENCES series_change (id)
);
INSERT INTO "confirmation" VALUES(1,'ulid',1,NULL,'state','answer','reason',202601,'{}','{}','requested_by',202601,202601);
CREATE TABLE coverage (
	run_id INTEGER NOT NULL, 
	attempt_id INTEGER NOT NULL, 
	suite VARCHAR(1024) NOT NULL, 
	platform VARCHAR(1024) NOT NULL, 
	language VARCHAR(1024) NOT NULL, 
	path VARCHAR(1024) NOT NULL, 
	file_sha256 VARCHAR(64) NOT NULL, 
	executable BLOB NOT NULL, 
	hit BLOB NOT NULL, 
	CONSTRAINT pk_coverage PRIMARY KEY (attempt_id, suite, language, path, file_sha256), 
	CONSTRAINT fk_coverage_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_coverage_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "coverage" VALUES(1,1,'kernels','here','c++','src/matmul.cpp','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',X'FF01',X'0F00');
CREATE TABLE detector_check (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	checked_ns BIGINT NOT NULL, 
	seed BIGINT NOT NULL, 
	series BIGINT NOT NULL, 
	body JSON NOT NULL, 
	CONSTRAINT pk_detector_check PRIMARY KEY (id), 
	CONSTRAINT uq_detector_check_ulid UNIQUE (ulid)
);
INSERT INTO "detector_check" VALUES(1,'ulid',202601,202601,202601,'{}');
CREATE TABLE device (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	identity VARCHAR(1024) NOT NULL, 
	pool VARCHAR(1024) NOT NULL, 
	kind VARCHAR(1024) NOT NULL, 
	executor VARCHAR(1024) NOT NULL, 
	facts JSON NOT NULL, 
	health VARCHAR(24) NOT NULL, 
	reason TEXT NOT NULL, 
	changed_ns BIGINT NOT NULL, 
	last_seen_ns BIGINT NOT NULL, 
	CONSTRAINT pk_device PRIMARY KEY (id), 
	CONSTRAINT uq_device_ulid UNIQUE (ulid), 
	CONSTRAINT uq_device_identity UNIQUE (identity), 
	CONSTRAINT ck_device_health CHECK (health IN ('good', 'suspect', 'bad', 'maintenance', 'retired'))
);
INSERT INTO "device" VALUES(1,'ulid','identity','pool','kind','executor','{}','good','reason',202601,202601);
CREATE TABLE device_evidence (
	id INTEGER NOT NULL, 
	device_id INTEGER NOT NULL, 
	attempt_id INTEGER, 
	kind VARCHAR(1024) NOT NULL, 
	failure_class VARCHAR, 
	source VARCHAR(1024) NOT NULL, 
	confidence DOUBLE NOT NULL, 
	detail TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	CONSTRAINT pk_device_evidence PRIMARY KEY (id), 
	CONSTRAINT fk_device_evidence_device_id_device FOREIGN KEY(device_id) REFERENCES device (id), 
	CONSTRAINT fk_device_evidence_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "device_evidence" VALUES(1,1,NULL,'kind','failure_class','source',1.5,'detail',202601);
CREATE TABLE differential (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	device_id INTEGER NOT NULL, 
	attempt_id INTEGER NOT NULL, 
	state VARCHAR(1024) NOT NULL, 
	body JSON NOT NULL, 
	conclusion VARCHAR, 
	created_ns BIGINT NOT NULL, 
	CONSTRAINT pk_differential PRIMARY KEY (id), 
	CONSTRAINT uq_differential_ulid UNIQUE (ulid), 
	CONSTRAINT fk_differential_device_id_device FOREIGN KEY(device_id) REFERENCES device (id), 
	CONSTRAINT fk_differential_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "differential" VALUES(1,'ulid',1,1,'state','{}','conclusion',202601);
CREATE TABLE edge (
	run_id INTEGER NOT NULL, 
	from_task_id INTEGER NOT NULL, 
	to_task_id INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	CONSTRAINT pk_edge PRIMARY KEY (run_id, from_task_id, to_task_id, kind), 
	CONSTRAINT fk_edge_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_edge_from_task_id_task FOREIGN KEY(from_task_id) REFERENCES task (id), 
	CONSTRAINT fk_edge_to_task_id_task FOREIGN KEY(to_task_id) REFERENCES task (id)
);
INSERT INTO "edge" VALUES(1,1,2,'success');
CREATE TABLE environment (
	id INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	fields JSON NOT NULL, 
	CONSTRAINT pk_environment PRIMARY KEY (id), 
	CONSTRAINT uq_environment_sha256 UNIQUE (sha256)
);
INSERT INTO "environment" VALUES(1,'696f80003cc7aeeca3fc0e52c4ba8ee8394dc52a4dedcc26ba73823bb0c5f71d','{"machine": "fake", "cpu_model": "fake"}');
INSERT INTO "environment" VALUES(2,'97aff9cb007c0cd9efd3e3dcecaf35e476d3648dd7a6a2d85bdedd3d97f2b748','{"cpu": "Zen 5", "cuda": {"absent": true}}');
CREATE TABLE exoneration (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	test_id INTEGER, 
	variant_id INTEGER, 
	kind VARCHAR(1024) NOT NULL, 
	reason TEXT NOT NULL, 
	evidence JSON NOT NULL, 
	created_ns BIGINT NOT NULL, 
	CONSTRAINT pk_exoneration PRIMARY KEY (id), 
	CONSTRAINT fk_exoneration_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_exoneration_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_exoneration_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id)
);
INSERT INTO "exoneration" VALUES(1,1,1,1,'waiver','known since May','{"bug": "AE-12"}',1700000000000000000);
CREATE TABLE finding (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	kind VARCHAR(1024) NOT NULL, 
	text TEXT NOT NULL, 
	body JSON NOT NULL, 
	CONSTRAINT pk_finding PRIMARY KEY (id), 
	CONSTRAINT fk_finding_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "finding" VALUES(1,1,'environment','The driver changed.','{}');
CREATE TABLE firing (
	id INTEGER NOT NULL, 
	schedule VARCHAR(1024) NOT NULL, 
	due VARCHAR(1024) NOT NULL, 
	run_id INTEGER, 
	outcome TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	CONSTRAINT pk_firing PRIMARY KEY (id), 
	CONSTRAINT uq_firing_schedule_due UNIQUE (schedule, due), 
	CONSTRAINT fk_firing_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "firing" VALUES(1,'schedule','due',NULL,'outcome',202601);
CREATE TABLE history (
	id INTEGER NOT NULL, 
	entity VARCHAR(1024) NOT NULL, 
	entity_id BIGINT NOT NULL, 
	from_state VARCHAR, 
	to_state VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	at_ns BIGINT NOT NULL, 
	"by" VARCHAR(1024) NOT NULL, 
	CONSTRAINT pk_history PRIMARY KEY (id)
);
INSERT INTO "history" VALUES(1,'run',1,NULL,'planned','requested by tester',1700000000000000000,'tester');
INSERT INTO "history" VALUES(2,'task',3,'waiting','not_executable','wine64 is not installed',1700000000000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(3,'run',1,'planned','running','',1700000000000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(4,'task',1,'waiting','queued','',1700000020000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(5,'task',1,'queued','running','leased',1700000020000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(6,'attempt',1,NULL,'leased','attempt 1',1700000020000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(7,'attempt',1,'leased','started','claimed by boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW',1700000040000000000,'boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW');
INSERT INTO "history" VALUES(8,'attempt',1,'started','passed','all tests passed',1700000060000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(9,'task',1,'running','done','',1700000060000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(10,'task',2,'waiting','queued','',1700000060000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(11,'task',2,'queued','running','leased',1700000060000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(12,'attempt',2,NULL,'leased','attempt 1',1700000060000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(13,'attempt',2,'leased','started','claimed by boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1',1700000080000000000,'boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1');
INSERT INTO "history" VALUES(14,'attempt',2,'started','errored','exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest',1700000100000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(15,'task',2,'running','done','exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest',1700000100000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(16,'run',1,'running','finalizing','',1700000100000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(17,'run',1,'finalizing','finalized','verdict errored',1700000100000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(18,'run',2,NULL,'planned','requested by tester',1700000120000000000,'tester');
INSERT INTO "history" VALUES(19,'run',2,'planned','running','',1700000120000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(20,'task',4,'waiting','queued','',1700000120000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(21,'task',4,'queued','running','leased',1700000120000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
INSERT INTO "history" VALUES(22,'attempt',3,NULL,'leased','attempt 1',1700000120000000000,'ec77531a-09a3-40a2-a495-ba8c5f663005:11705:1364541:stand');
CREATE TABLE hold (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	attempt_id INTEGER NOT NULL, 
	cpus BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	held_by VARCHAR(1024) NOT NULL, 
	boot_id VARCHAR(1024) NOT NULL, 
	until_mono_ns BIGINT NOT NULL, 
	until_ns BIGINT NOT NULL, 
	released_ns BIGINT, 
	CONSTRAINT pk_hold PRIMARY KEY (id), 
	CONSTRAINT uq_hold_ulid UNIQUE (ulid), 
	CONSTRAINT uq_hold_attempt_id UNIQUE (attempt_id), 
	CONSTRAINT fk_hold_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "hold" VALUES(1,'ulid',1,202601,'reason','held_by','boot_id',202601,202601,202601);
CREATE TABLE invalidation (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	predicate JSON NOT NULL, 
	reason TEXT NOT NULL, 
	requested_by VARCHAR(1024) NOT NULL, 
	attempts BIGINT NOT NULL, 
	created_ns BIGINT NOT NULL, 
	withdrawn_ns BIGINT, 
	CONSTRAINT pk_invalidation PRIMARY KEY (id), 
	CONSTRAINT uq_invalidation_ulid UNIQUE (ulid)
);
INSERT INTO "invalidation" VALUES(1,'ulid','{}','reason','requested_by',202601,202601,202601);
CREATE TABLE inventory (
	digest VARCHAR(64) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	tests BIGINT NOT NULL, 
	CONSTRAINT pk_inventory PRIMARY KEY (digest)
);
INSERT INTO "inventory" VALUES('2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d','2f0d5a669784e43852450829b51fb2d2c53928021eaf0c2a3b1c096bfdf1f70d',1);
INSERT INTO "inventory" VALUES('a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3','a9c9285a62ec5fb4720a2b73bc9a3b5a0a83e158f9ab680faf1fdf87c4f935a3',2);
INSERT INTO "inventory" VALUES('31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d','31660fb530a572d840dec817da0e1735e6a3ad1fde77fa033cf40b45c7c9044d',1);
INSERT INTO "inventory" VALUES('4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f','4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f',2);
CREATE TABLE kernel_error (
	run_id INTEGER NOT NULL, 
	kernel VARCHAR(1024) NOT NULL, 
	dtype VARCHAR(1024) NOT NULL, 
	shape VARCHAR(1024) NOT NULL, 
	arch VARCHAR(1024) NOT NULL, 
	cases BIGINT NOT NULL, 
	ulp JSON NOT NULL, 
	relative JSON NOT NULL, 
	over_bound DOUBLE NOT NULL, 
	ulp_level DOUBLE NOT NULL, 
	relative_level DOUBLE NOT NULL, 
	CONSTRAINT pk_kernel_error PRIMARY KEY (run_id, kernel, dtype, shape, arch), 
	CONSTRAINT fk_kernel_error_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "kernel_error" VALUES(1,'kernel','dtype','shape','arch',202601,'{}','{}',1.5,1.5,1.5);
CREATE TABLE lock (
	name VARCHAR(1024) NOT NULL, 
	holder VARCHAR NOT NULL, 
	boot_id VARCHAR(1024) NOT NULL, 
	mono_ns BIGINT NOT NULL, 
	info JSON NOT NULL, fence BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_lock PRIMARY KEY (name)
);
INSERT INTO "lock" VALUES('executor','boot-1:100:200','boot-1',121000000000,'{"pid": 100, "host": "bench"}',0);
CREATE TABLE log_chunk (
	attempt_id INTEGER NOT NULL, 
	stream VARCHAR(1024) NOT NULL, 
	"offset" BIGINT NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_log_chunk PRIMARY KEY (attempt_id, stream, "offset"), 
	CONSTRAINT fk_log_chunk_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_log_chunk_sha256_blob FOREIGN KEY(sha256) REFERENCES blob (sha256)
);
INSERT INTO "log_chunk" VALUES(1,'stdout',0,8,'81bceba02215aba9e9984f1900538ba209979cc76239f2e2657e89b3bfeb873d');
INSERT INTO "log_chunk" VALUES(2,'stdout',0,8,'81bceba02215aba9e9984f1900538ba209979cc76239f2e2657e89b3bfeb873d');
CREATE TABLE login (
	id INTEGER NOT NULL, 
	cookie_sha256 VARCHAR(64) NOT NULL, 
	subject VARCHAR(1024) NOT NULL, 
	name VARCHAR(1024) NOT NULL, 
	role VARCHAR(24) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	revoked_ns BIGINT, 
	CONSTRAINT pk_login PRIMARY KEY (id), 
	CONSTRAINT uq_login_cookie_sha256 UNIQUE (cookie_sha256), 
	CONSTRAINT ck_login_role CHECK (role IN ('viewer', 'developer', 'operator', 'admin'))
);
INSERT INTO "login" VALUES(1,'cookie_sha256','subject','name','viewer',202601,202601,202601);
CREATE TABLE measurement (
	month BIGINT NOT NULL, 
	attempt_id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	metric VARCHAR(1024) NOT NULL, 
	version BIGINT NOT NULL, 
	unit VARCHAR(1024) NOT NULL, 
	value DOUBLE NOT NULL, 
	estimator VARCHAR(1024) NOT NULL, 
	replicates JSON NOT NULL, 
	launches JSON NOT NULL, 
	"inner" BIGINT NOT NULL, 
	probe_metric VARCHAR, 
	probe_value DOUBLE, 
	canary DOUBLE, 
	valid BOOLEAN NOT NULL, 
	reason TEXT NOT NULL, 
	definition VARCHAR NOT NULL, 
	environment_class VARCHAR, 
	series_key VARCHAR, 
	CONSTRAINT pk_measurement PRIMARY KEY (month, attempt_id, seq), 
	CONSTRAINT fk_measurement_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_measurement_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_measurement_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id)
);
INSERT INTO "measurement" VALUES(202311,2,80,1,1,'latency',1,'s',0.0125,'median','[0.0125, 0.013]','[0, 1]',10,'bandwidth',35000000000.0,0.2,1,'','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','zen5/native','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee');
INSERT INTO "measurement" VALUES(202310,2,81,1,1,'latency',1,'s',0.5,'median','[0.5]','[0]',10,NULL,NULL,NULL,0,'the machine was busy','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','zen5/native','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee');
CREATE TABLE measurement_month (
	series_key VARCHAR(64) NOT NULL, 
	month BIGINT NOT NULL, 
	points BIGINT NOT NULL, 
	invalid BIGINT NOT NULL, 
	lowest DOUBLE, 
	highest DOUBLE, 
	median DOUBLE, 
	quantiles JSON NOT NULL, 
	seen BIGINT NOT NULL, 
	CONSTRAINT pk_measurement_month PRIMARY KEY (series_key, month)
);
INSERT INTO "measurement_month" VALUES('series_key',202601,202601,202601,1.5,1.5,1.5,'{}',202601);
CREATE TABLE message (
	id INTEGER NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	text TEXT NOT NULL, 
	CONSTRAINT pk_message PRIMARY KEY (id), 
	CONSTRAINT uq_message_sha256 UNIQUE (sha256)
);
INSERT INTO "message" VALUES(1,'a48610481ce2f8ecd23222d644c0225b8439ab35d5aa16a36c3f5ab3fb593f6f','wine64 is not installed');
INSERT INTO "message" VALUES(2,'869569ada06e285bc75ea18c63810fc96e4ba4060e055f0ef244985876614ace','aestus.kernels/case/softmax.f32:n=16,seed=1 failed as scripted');
INSERT INTO "message" VALUES(3,'5b8b6f27436f185a3160105341355e65f08414325239d1c56c3a346d32b746e6','exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest');
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	topic VARCHAR(1024) NOT NULL, 
	run_id INTEGER, 
	payload JSON NOT NULL, 
	created_ns BIGINT NOT NULL, 
	delivered_ns BIGINT, 
	CONSTRAINT pk_outbox PRIMARY KEY (id), 
	CONSTRAINT fk_outbox_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "outbox" VALUES(1,'run.planned',1,'{"state": "planned", "reason": "requested by tester", "number": 1, "pipeline": "small"}',1700000000000000000,NULL);
INSERT INTO "outbox" VALUES(2,'task.not_executable',1,'{"state": "not_executable", "reason": "wine64 is not installed", "task": "windows@windows"}',1700000000000000000,NULL);
INSERT INTO "outbox" VALUES(3,'run.running',1,'{"state": "running", "reason": ""}',1700000000000000000,NULL);
INSERT INTO "outbox" VALUES(4,'task.queued',1,'{"state": "queued", "reason": "", "task": "unit"}',1700000020000000000,NULL);
INSERT INTO "outbox" VALUES(5,'cell.queued',1,'{"cell": "unit", "task": "unit", "platform": "here", "state": "queued", "verdict": null, "reason": "", "failure_class": null}',1700000020000000000,NULL);
INSERT INTO "outbox" VALUES(6,'cell.not_executable',1,'{"cell": "windows@windows", "task": "windows@windows", "platform": "windows", "state": "not_executable", "verdict": "not_executable", "reason": "wine64 is not installed", "failure_class": null}',1700000020000000000,NULL);
INSERT INTO "outbox" VALUES(7,'task.running',1,'{"state": "running", "reason": "leased", "task": "unit"}',1700000020000000000,NULL);
INSERT INTO "outbox" VALUES(8,'attempt.leased',1,'{"state": "leased", "reason": "attempt 1", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "number": 1}',1700000020000000000,NULL);
INSERT INTO "outbox" VALUES(9,'attempt.started',1,'{"state": "started", "reason": "claimed by boot-1:fake-01M7ZAKMW8KZ8JABP2TV9VC4YW", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "number": 1}',1700000040000000000,NULL);
INSERT INTO "outbox" VALUES(10,'cell.running',1,'{"cell": "unit", "task": "unit", "platform": "here", "state": "running", "verdict": null, "reason": "", "failure_class": null}',1700000040000000000,NULL);
INSERT INTO "outbox" VALUES(11,'attempt.passed',1,'{"state": "passed", "reason": "all tests passed", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "number": 1, "failure_class": null}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(12,'task.done',1,'{"state": "done", "reason": "", "task": "unit"}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(13,'task.queued',1,'{"state": "queued", "reason": "", "task": "kernels"}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(14,'cell.done',1,'{"cell": "unit", "task": "unit", "platform": "here", "state": "done", "verdict": "passed", "reason": "", "failure_class": null}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(15,'cell.queued',1,'{"cell": "kernels", "task": "kernels", "platform": "here", "state": "queued", "verdict": null, "reason": "", "failure_class": null}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(16,'task.running',1,'{"state": "running", "reason": "leased", "task": "kernels"}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(17,'attempt.leased',1,'{"state": "leased", "reason": "attempt 1", "task": "kernels", "cell": "kernels", "platform": "here", "attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "number": 1}',1700000060000000000,NULL);
INSERT INTO "outbox" VALUES(18,'attempt.started',1,'{"state": "started", "reason": "claimed by boot-1:fake-01M7ZAKMXW11QY7D7RSBN07AE1", "task": "kernels", "cell": "kernels", "platform": "here", "attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "number": 1}',1700000080000000000,NULL);
INSERT INTO "outbox" VALUES(19,'cell.running',1,'{"cell": "kernels", "task": "kernels", "platform": "here", "state": "running", "verdict": null, "reason": "", "failure_class": null}',1700000080000000000,NULL);
INSERT INTO "outbox" VALUES(20,'attempt.errored',1,'{"state": "errored", "reason": "exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest", "task": "kernels", "cell": "kernels", "platform": "here", "attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "number": 1, "failure_class": "harness"}',1700000100000000000,NULL);
INSERT INTO "outbox" VALUES(21,'task.done',1,'{"state": "done", "reason": "exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest", "task": "kernels"}',1700000100000000000,NULL);
INSERT INTO "outbox" VALUES(22,'cell.done',1,'{"cell": "kernels", "task": "kernels", "platform": "here", "state": "done", "verdict": "errored", "reason": "exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest", "failure_class": "harness"}',1700000100000000000,NULL);
INSERT INTO "outbox" VALUES(23,'run.finalizing',1,'{"state": "finalizing", "reason": ""}',1700000100000000000,NULL);
INSERT INTO "outbox" VALUES(24,'run.finalized',1,'{"state": "finalized", "reason": "verdict errored", "verdict": "errored"}',1700000100000000000,NULL);
INSERT INTO "outbox" VALUES(25,'run.planned',2,'{"state": "planned", "reason": "requested by tester", "number": 2, "pipeline": "small"}',1700000120000000000,NULL);
INSERT INTO "outbox" VALUES(26,'run.running',2,'{"state": "running", "reason": ""}',1700000120000000000,NULL);
INSERT INTO "outbox" VALUES(27,'task.queued',2,'{"state": "queued", "reason": "", "task": "unit"}',1700000120000000000,NULL);
INSERT INTO "outbox" VALUES(28,'cell.queued',2,'{"cell": "unit", "task": "unit", "platform": "here", "state": "queued", "verdict": null, "reason": "", "failure_class": null}',1700000120000000000,NULL);
INSERT INTO "outbox" VALUES(29,'task.running',2,'{"state": "running", "reason": "leased", "task": "unit"}',1700000120000000000,NULL);
INSERT INTO "outbox" VALUES(30,'attempt.leased',2,'{"state": "leased", "reason": "attempt 1", "task": "unit", "cell": "unit", "platform": "here", "attempt": "01M7ZAKN069Y0G47ADBZ88GVNW", "number": 1}',1700000120000000000,NULL);
CREATE TABLE quarantine (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	state VARCHAR(1024) NOT NULL, 
	owner VARCHAR(1024) NOT NULL, 
	bug VARCHAR(1024) NOT NULL, 
	reason TEXT NOT NULL, 
	signatures JSON NOT NULL, 
	limit_rate DOUBLE NOT NULL, 
	confidence DOUBLE NOT NULL, 
	since_ns BIGINT NOT NULL, 
	expires_ns BIGINT NOT NULL, 
	requested_by VARCHAR(1024) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	ended_ns BIGINT, 
	ended_reason TEXT NOT NULL, 
	CONSTRAINT pk_quarantine PRIMARY KEY (id), 
	CONSTRAINT uq_quarantine_ulid UNIQUE (ulid), 
	CONSTRAINT fk_quarantine_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_quarantine_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id)
);
INSERT INTO "quarantine" VALUES(1,'ulid',1,1,'state','owner','bug','reason','{}',1.5,1.5,202601,202601,'requested_by',202601,202601,'ended_reason');
CREATE TABLE record (
	attempt_id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	kind VARCHAR(1024) NOT NULL, 
	body JSON NOT NULL, 
	CONSTRAINT pk_record PRIMARY KEY (attempt_id, seq), 
	CONSTRAINT fk_record_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "record" VALUES(1,1,'session','{"attempt": "01M7ZAKMW8KZ8JABP2TV9VC4YW", "runner_version": "fake", "boot_id": "fake", "pid": 0, "wall_ns": 0, "python": "fake"}');
INSERT INTO "record" VALUES(1,8,'manifest','{"count": 7, "tests": 2, "collected": 2, "sha256": "4cc608740682d332ea58bb50b3030b1bf23e3f29764ea84c6adddfe1c1f36443", "exit_code": 0}');
INSERT INTO "record" VALUES(2,1,'session','{"attempt": "01M7ZAKMXW11QY7D7RSBN07AE1", "runner_version": "fake", "boot_id": "fake", "pid": 0, "wall_ns": 0, "python": "fake"}');
INSERT INTO "record" VALUES(2,9,'environment','{"moment": {"load": 0.5}}');
CREATE TABLE recorded_inventory (
	pipeline VARCHAR(1024) NOT NULL, 
	cell_key VARCHAR(1024) NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	run_id INTEGER NOT NULL, 
	CONSTRAINT pk_recorded_inventory PRIMARY KEY (pipeline, cell_key), 
	CONSTRAINT fk_recorded_inventory_digest_inventory FOREIGN KEY(digest) REFERENCES inventory (digest), 
	CONSTRAINT fk_recorded_inventory_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "recorded_inventory" VALUES('small','unit','4bb6f836bfe7fc14f1a4386b41106ccc8dd14a859a1293ee693328ff46770c3f',1);
CREATE TABLE "request" (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	kind VARCHAR(24) NOT NULL, 
	run_id INTEGER, 
	payload JSON NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	reason TEXT NOT NULL, 
	requested_by VARCHAR(1024) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	CONSTRAINT pk_request PRIMARY KEY (id), 
	CONSTRAINT uq_request_ulid UNIQUE (ulid), 
	CONSTRAINT ck_request_state CHECK (state IN ('open', 'done', 'refused')), 
	CONSTRAINT fk_request_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT ck_request_kind CHECK (kind IN ('run', 'cancel', 'retry', 'release', 'device'))
);
INSERT INTO "request" VALUES(1,'01HF0000000000000000000001','cancel',1,'{}','refused','the run is over','me',1700000000000000000);
CREATE TABLE result (
	attempt_id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	try_number BIGINT NOT NULL, 
	outcome VARCHAR(1024) NOT NULL, 
	failure_class VARCHAR, 
	duration_ns BIGINT NOT NULL, 
	message_id INTEGER, 
	detail_id INTEGER, 
	environment_class VARCHAR, 
	params JSON, 
	metrics JSON, 
	CONSTRAINT pk_result PRIMARY KEY (attempt_id, seq), 
	CONSTRAINT fk_result_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_result_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_result_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id), 
	CONSTRAINT fk_result_message_id_message FOREIGN KEY(message_id) REFERENCES message (id), 
	CONSTRAINT fk_result_detail_id_message FOREIGN KEY(detail_id) REFERENCES message (id)
);
INSERT INTO "result" VALUES(1,5,2,1,1,'passed',NULL,1000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "result" VALUES(1,7,3,1,1,'passed',NULL,1000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "result" VALUES(2,5,1,2,1,'passed',NULL,1000,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "result" VALUES(2,7,4,2,1,'failed','product',1000,2,NULL,NULL,NULL,NULL);
CREATE TABLE result_month (
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	month BIGINT NOT NULL, 
	passed BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	other BIGINT NOT NULL, 
	duration_ns BIGINT NOT NULL, 
	seen BIGINT NOT NULL, 
	CONSTRAINT pk_result_month PRIMARY KEY (test_id, variant_id, month), 
	CONSTRAINT fk_result_month_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_result_month_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id)
);
INSERT INTO "result_month" VALUES(1,1,202601,202601,202601,202601,202601,202601);
CREATE TABLE "run" (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	number BIGINT NOT NULL, 
	pipeline VARCHAR(1024) NOT NULL, 
	source_stamp_id INTEGER NOT NULL, 
	plan_digest VARCHAR(64) NOT NULL, 
	plan_sha256 VARCHAR(64) NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	verdict VARCHAR(24), 
	reason TEXT NOT NULL, 
	headline TEXT NOT NULL, 
	parent_run_id INTEGER, 
	requested_by VARCHAR(1024) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	started_ns BIGINT, 
	finalized_ns BIGINT, 
	cancel_requested_ns BIGINT, 
	priority VARCHAR(24) DEFAULT 'developer' NOT NULL, 
	team VARCHAR(1024) DEFAULT 'default' NOT NULL, 
	change VARCHAR, 
	superseded_by_run_id INTEGER, 
	merge_base VARCHAR, 
	is_trusted BOOLEAN DEFAULT 1 NOT NULL, 
	hold_seconds BIGINT DEFAULT '0' NOT NULL, 
	options JSON DEFAULT '{}' NOT NULL, 
	purpose VARCHAR(1024) DEFAULT 'result' NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (id), 
	CONSTRAINT fk_run_parent_run_id_run FOREIGN KEY(parent_run_id) REFERENCES run (id), 
	CONSTRAINT ck_run_state CHECK (state IN ('planned', 'running', 'finalizing', 'finalized', 'cancelled')), 
	CONSTRAINT uq_run_number UNIQUE (number), 
	CONSTRAINT ck_run_verdict CHECK (verdict IN ('passed', 'failed', 'errored', 'incomplete', 'cancelled')), 
	CONSTRAINT fk_run_source_stamp_id_source_stamp FOREIGN KEY(source_stamp_id) REFERENCES source_stamp (id), 
	CONSTRAINT uq_run_ulid UNIQUE (ulid), 
	CONSTRAINT ck_run_priority CHECK (priority IN ('gate', 'pre-merge', 'developer', 'nightly', 'backfill')), 
	CONSTRAINT fk_run_superseded_by_run_id_run FOREIGN KEY(superseded_by_run_id) REFERENCES run (id)
);
INSERT INTO "run" VALUES(1,'01M7ZAKMT7HEV3KMZSDGYEQWSH',1,'small',1,'82d2dae0af2be978fa868250fa8e94ff4edde7792bbd96622dd651ef2088c86a','c082aaad16886237b77706823ac1808aa09fb9ce0205760fe1149feac566a4dc','finalized','errored','kernels errored (harness): exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest
windows@windows not_executable: wine64 is not installed','errored: passed on 0 of 2 platforms, 1 of 3 cells, 1 errored, none missing.',NULL,'tester',1700000000000000000,1700000000000000000,1700000100000000000,NULL,'developer','default',NULL,NULL,NULL,1,0,'{}','result');
INSERT INTO "run" VALUES(2,'01M7ZAKMZKBKPBCPW1TJVX8JJR',2,'small',1,'459f829dfc3d137a5dcef2732143b3967d0002ba9d69f4617d3b7a95f7e133d3','db56f29ad487fd4c5cdedd2ee4f4870a21df460f423734314cba8b33dfe17a39','running',NULL,'','',NULL,'tester',1700000120000000000,1700000120000000000,NULL,NULL,'developer','default',NULL,NULL,NULL,1,0,'{}','result');
CREATE TABLE schedule (
	name VARCHAR(1024) NOT NULL, 
	definition JSON NOT NULL, 
	next_ns BIGINT, 
	paused BOOLEAN NOT NULL, 
	CONSTRAINT pk_schedule PRIMARY KEY (name)
);
INSERT INTO "schedule" VALUES('name','{}',202601,0);
CREATE TABLE series_change (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	series_key VARCHAR(64) NOT NULL, 
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	metric VARCHAR(1024) NOT NULL, 
	kind VARCHAR(1024) NOT NULL, 
	position BIGINT, 
	run_id INTEGER NOT NULL, 
	after_run_id INTEGER, 
	until_run_id INTEGER NOT NULL, 
	"before" DOUBLE NOT NULL, 
	"after" DOUBLE NOT NULL, 
	confidence DOUBLE NOT NULL, 
	effect DOUBLE, 
	direction VARCHAR(1024) NOT NULL, 
	state VARCHAR(1024) NOT NULL, 
	reason TEXT NOT NULL, 
	cause VARCHAR, 
	noticed_run_id INTEGER NOT NULL, 
	withdrawn_run_id INTEGER, 
	label VARCHAR, 
	labelled_by VARCHAR, 
	labelled_ns BIGINT, operators VARCHAR, 
	CONSTRAINT pk_series_change PRIMARY KEY (id), 
	CONSTRAINT uq_series_change_ulid UNIQUE (ulid), 
	CONSTRAINT fk_series_change_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_series_change_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id), 
	CONSTRAINT fk_series_change_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_series_change_after_run_id_run FOREIGN KEY(after_run_id) REFERENCES run (id), 
	CONSTRAINT fk_series_change_until_run_id_run FOREIGN KEY(until_run_id) REFERENCES run (id), 
	CONSTRAINT fk_series_change_noticed_run_id_run FOREIGN KEY(noticed_run_id) REFERENCES run (id), 
	CONSTRAINT fk_series_change_withdrawn_run_id_run FOREIGN KEY(withdrawn_run_id) REFERENCES run (id)
);
INSERT INTO "series_change" VALUES(1,'ulid','series_key',1,1,'metric','kind',202601,1,NULL,1,1.5,1.5,1.5,1.5,'direction','state','reason','cause',1,NULL,'label','labelled_by',202601,'operators');
CREATE TABLE series_noise (
	series_key VARCHAR(64) NOT NULL, 
	metric VARCHAR(1024) NOT NULL, 
	environment_class VARCHAR(1024) NOT NULL, 
	run_id INTEGER NOT NULL, 
	updated_ns BIGINT NOT NULL, 
	is_stale BOOLEAN NOT NULL, 
	attempts BIGINT NOT NULL, 
	codes BIGINT NOT NULL, 
	within_squares DOUBLE NOT NULL, 
	process_squares DOUBLE NOT NULL, 
	run_squares DOUBLE NOT NULL, 
	build_squares DOUBLE NOT NULL, 
	process_size DOUBLE NOT NULL, 
	build_size DOUBLE NOT NULL, 
	within_freedom BIGINT NOT NULL, 
	process_freedom BIGINT NOT NULL, 
	run_freedom BIGINT NOT NULL, 
	build_freedom BIGINT NOT NULL, 
	CONSTRAINT pk_series_noise PRIMARY KEY (series_key), 
	CONSTRAINT fk_series_noise_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "series_noise" VALUES('series_key','metric','environment_class',1,202601,0,202601,202601,1.5,1.5,1.5,1.5,1.5,1.5,202601,202601,202601,202601);
CREATE TABLE series_point (
	series_key VARCHAR(64) NOT NULL, 
	run_id INTEGER NOT NULL, 
	position BIGINT, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_series_point PRIMARY KEY (series_key, run_id), 
	CONSTRAINT fk_series_point_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "series_point" VALUES('series_key',1,202601,'reason');
CREATE TABLE series_state (
	series_key VARCHAR(64) NOT NULL, 
	version BIGINT NOT NULL, 
	run_id INTEGER NOT NULL, 
	points BIGINT NOT NULL, 
	state JSON NOT NULL, 
	CONSTRAINT pk_series_state PRIMARY KEY (series_key), 
	CONSTRAINT fk_series_state_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
INSERT INTO "series_state" VALUES('series_key',202601,1,202601,'{}');
CREATE TABLE source_stamp (
	id INTEGER NOT NULL, 
	repository VARCHAR(1024) NOT NULL, 
	revision VARCHAR(1024) NOT NULL, 
	patch_digest VARCHAR NOT NULL, 
	archive_sha256 VARCHAR, 
	subject TEXT NOT NULL, 
	CONSTRAINT pk_source_stamp PRIMARY KEY (id), 
	CONSTRAINT uq_source_stamp_repository_revision_patch_digest UNIQUE (repository, revision, patch_digest)
);
INSERT INTO "source_stamp" VALUES(1,'here','3f2a91c000000000000000000000000000000000','',NULL,'First');
CREATE TABLE stream_problem (
	attempt_id INTEGER NOT NULL, 
	"offset" BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_stream_problem PRIMARY KEY (attempt_id, "offset"), 
	CONSTRAINT fk_stream_problem_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id)
);
INSERT INTO "stream_problem" VALUES(2,1402,'seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth');
INSERT INTO "stream_problem" VALUES(1,512,'line 4 is cut off');
CREATE TABLE "task" (
	id INTEGER NOT NULL, 
	run_id INTEGER NOT NULL, 
	cell_id INTEGER NOT NULL, 
	"key" VARCHAR(1024) NOT NULL, 
	shard BIGINT NOT NULL, 
	shards BIGINT NOT NULL, 
	spec JSON NOT NULL, 
	requested_digest VARCHAR NOT NULL, 
	state VARCHAR(24) NOT NULL, 
	resolution VARCHAR(24), 
	reason TEXT NOT NULL, 
	origin_attempt_id INTEGER, 
	pending TEXT DEFAULT '' NOT NULL, 
	queued_ns BIGINT, 
	action_digest VARCHAR, 
	CONSTRAINT pk_task PRIMARY KEY (id), 
	CONSTRAINT ck_task_state CHECK (state IN ('waiting', 'queued', 'running', 'done', 'reused', 'precluded', 'not_executable', 'cancelled')), 
	CONSTRAINT ck_task_resolution CHECK (resolution IN ('waiting', 'queued', 'running', 'done', 'reused', 'precluded', 'not_executable', 'cancelled')), 
	CONSTRAINT fk_task_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT uq_task_run_id_key UNIQUE (run_id, "key"), 
	CONSTRAINT fk_task_cell_id_cell FOREIGN KEY(cell_id) REFERENCES cell (id), 
	CONSTRAINT fk_task_origin_attempt_id_attempt FOREIGN KEY(origin_attempt_id) REFERENCES attempt (id)
);
INSERT INTO "task" VALUES(1,1,1,'unit',1,1,'{"harness": "command", "command": ["true"]}','0000000000000000000000000000000000000000000000000000000000000000','done',NULL,'',NULL,'',NULL,NULL);
INSERT INTO "task" VALUES(2,1,2,'kernels',1,1,'{"harness": "command", "command": ["true"]}','0000000000000000000000000000000000000000000000000000000000000000','done',NULL,'exit 10 (tests failed, results are complete) without a valid manifest: results are incomplete: seq 10: metric ''latency'' is not registered; known are aestus.bandwidth_share, aestus.binary_size, aestus.decode_rate, aestus.kernel_rate, aestus.load_time, aestus.peak_memory, aestus.perplexity, aestus.prefill_rate, build.duration, cuda.registers, cuda.spill_bytes, probe.read_bandwidth; the stream ends without a manifest',NULL,'',NULL,NULL);
INSERT INTO "task" VALUES(3,1,3,'windows@windows',1,1,'{"harness": "command", "command": ["true"]}','0000000000000000000000000000000000000000000000000000000000000000','not_executable','not_executable','wine64 is not installed',NULL,'',NULL,NULL);
INSERT INTO "task" VALUES(4,2,4,'unit',1,1,'{"harness": "command", "command": ["true"]}','0000000000000000000000000000000000000000000000000000000000000000','running',NULL,'',NULL,'',NULL,NULL);
CREATE TABLE test (
	id INTEGER NOT NULL, 
	module VARCHAR(1024) NOT NULL, 
	scheme VARCHAR(1024) NOT NULL, 
	name VARCHAR(1024) NOT NULL, 
	CONSTRAINT pk_test PRIMARY KEY (id), 
	CONSTRAINT uq_test_module_scheme_name UNIQUE (module, scheme, name)
);
INSERT INTO "test" VALUES(1,'aestus.kernels','case','matmul.f32:m=8,n=8,k=8,seed=1');
INSERT INTO "test" VALUES(2,'aestus.unit','gtest','Tokenizer.splits');
INSERT INTO "test" VALUES(3,'aestus.unit','gtest','New.one');
INSERT INTO "test" VALUES(4,'aestus.kernels','case','softmax.f32:n=16,seed=1');
CREATE TABLE token (
	id INTEGER NOT NULL, 
	ulid VARCHAR(26) NOT NULL, 
	name VARCHAR(1024) NOT NULL, 
	token_sha256 VARCHAR(64) NOT NULL, 
	role VARCHAR(24) NOT NULL, 
	team VARCHAR, 
	created_by VARCHAR(1024) NOT NULL, 
	created_ns BIGINT NOT NULL, 
	expires_ns BIGINT, 
	revoked_ns BIGINT, 
	last_used_ns BIGINT, 
	CONSTRAINT pk_token PRIMARY KEY (id), 
	CONSTRAINT uq_token_ulid UNIQUE (ulid), 
	CONSTRAINT uq_token_token_sha256 UNIQUE (token_sha256), 
	CONSTRAINT ck_token_role CHECK (role IN ('viewer', 'developer', 'operator', 'admin'))
);
INSERT INTO "token" VALUES(1,'ulid','name','token_sha256','viewer','team','created_by',202601,202601,202601,202601);
CREATE TABLE variant (
	id INTEGER NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	axes JSON NOT NULL, 
	CONSTRAINT pk_variant PRIMARY KEY (id), 
	CONSTRAINT uq_variant_hash UNIQUE (hash)
);
INSERT INTO "variant" VALUES(1,'013dc555d8ebec0b5cffcfab2e64079df9b1fada78a3e8b5ef3c3b551216e3ac','{"execution": "native", "platform": "here", "task": "unit"}');
INSERT INTO "variant" VALUES(2,'c2dbf0d208c87c8427a1af6722fc24452cd753c28e3b06160ef134e0923b183f','{"execution": "native", "platform": "here", "task": "kernels"}');
INSERT INTO "variant" VALUES(3,'2afa637cc289f9e38c0c430f2fb56e69ffeca158d4d0b52f92d8acea05205fa6','{"execution": "native", "platform": "here", "task": "windows@windows"}');
CREATE TABLE verdict (
	run_id INTEGER NOT NULL, 
	cell_id INTEGER NOT NULL, 
	test_id INTEGER NOT NULL, 
	variant_id INTEGER NOT NULL, 
	verdict VARCHAR(1024) NOT NULL, 
	failure_class VARCHAR, 
	attempt_id INTEGER, 
	seq BIGINT, 
	tries BIGINT NOT NULL, 
	duration_ns BIGINT NOT NULL, 
	message_id INTEGER, 
	is_new BOOLEAN NOT NULL, 
	CONSTRAINT pk_verdict PRIMARY KEY (run_id, cell_id, test_id), 
	CONSTRAINT fk_verdict_run_id_run FOREIGN KEY(run_id) REFERENCES run (id), 
	CONSTRAINT fk_verdict_cell_id_cell FOREIGN KEY(cell_id) REFERENCES cell (id), 
	CONSTRAINT fk_verdict_test_id_test FOREIGN KEY(test_id) REFERENCES test (id), 
	CONSTRAINT fk_verdict_variant_id_variant FOREIGN KEY(variant_id) REFERENCES variant (id), 
	CONSTRAINT fk_verdict_attempt_id_attempt FOREIGN KEY(attempt_id) REFERENCES attempt (id), 
	CONSTRAINT fk_verdict_message_id_message FOREIGN KEY(message_id) REFERENCES message (id)
);
INSERT INTO "verdict" VALUES(1,3,1,3,'not_executable',NULL,NULL,NULL,0,0,1,0);
INSERT INTO "verdict" VALUES(1,1,2,1,'passed',NULL,1,5,1,1000,NULL,0);
INSERT INTO "verdict" VALUES(1,1,3,1,'passed',NULL,1,7,1,1000,NULL,1);
INSERT INTO "verdict" VALUES(1,2,1,2,'errored',NULL,NULL,NULL,0,0,3,0);
INSERT INTO "verdict" VALUES(1,2,4,2,'errored',NULL,NULL,NULL,0,0,3,0);
CREATE INDEX ix_history_entity_entity_id ON history (entity, entity_id);
CREATE INDEX ix_exoneration_run_id ON exoneration (run_id);
CREATE INDEX ix_finding_run_id ON finding (run_id);
CREATE INDEX ix_outbox_run_id ON outbox (run_id);
CREATE INDEX ix_accuracy_sample_task_dataset_item ON accuracy_sample (task, dataset, item);
CREATE INDEX ix_coverage_run_id_path ON coverage (run_id, path);
CREATE INDEX ix_measurement_series_key_month_attempt_id ON measurement (series_key, month, attempt_id);
CREATE INDEX ix_result_test_id_variant_id_attempt_id ON result (test_id, variant_id, attempt_id);
CREATE INDEX ix_verdict_test_id_variant_id_run_id ON verdict (test_id, variant_id, run_id);
CREATE INDEX ix_device_pool_health ON device (pool, health);
CREATE INDEX ix_device_evidence_device_id_id ON device_evidence (device_id, id);
CREATE INDEX ix_differential_device_id_id ON differential (device_id, id);
CREATE INDEX ix_differential_state ON differential (state);
CREATE INDEX ix_hold_released_ns ON hold (released_ns);
CREATE INDEX ix_audit_actor_id ON audit (actor, id);
CREATE INDEX ix_run_pipeline_id ON run (pipeline, id);
CREATE INDEX ix_run_state ON run (state);
CREATE INDEX ix_run_change_state ON run (change, state);
CREATE INDEX ix_run_superseded_by_run_id ON run (superseded_by_run_id);
CREATE INDEX ix_attempt_state ON attempt (state);
CREATE INDEX ix_attempt_ended_ns ON attempt (ended_ns);
CREATE INDEX ix_attempt_device_id ON attempt (device_id);
CREATE INDEX ix_attempt_invalidation_id ON attempt (invalidation_id) WHERE invalidation_id IS NOT NULL;
CREATE INDEX ix_task_cell_id ON task (cell_id);
CREATE INDEX ix_task_requested_digest ON task (requested_digest);
CREATE INDEX ix_task_action_digest ON task (action_digest);
CREATE INDEX ix_task_state ON task (state);
CREATE INDEX ix_request_state ON request (state);
CREATE INDEX ix_verdict_run_id_verdict_cell_id_test_id ON verdict (run_id, verdict, cell_id, test_id);
CREATE INDEX ix_measurement_attempt_id ON measurement (attempt_id);
CREATE INDEX ix_measurement_test_id_series_key ON measurement (test_id, series_key);
CREATE INDEX ix_task_run_id_id ON task (run_id, id);
CREATE INDEX ix_request_run_id_id ON request (run_id, id);
CREATE INDEX ix_audit_outcome_id ON audit (outcome, id);
CREATE INDEX ix_result_message_id ON result (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX ix_result_detail_id ON result (detail_id) WHERE detail_id IS NOT NULL;
CREATE INDEX ix_verdict_message_id ON verdict (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX ix_series_point_series_key_position ON series_point (series_key, position);
CREATE INDEX ix_series_change_series_key_id ON series_change (series_key, id);
CREATE INDEX ix_series_change_noticed_run_id ON series_change (noticed_run_id);
CREATE INDEX ix_series_change_withdrawn_run_id ON series_change (withdrawn_run_id);
CREATE INDEX ix_series_change_cause ON series_change (cause);
CREATE INDEX ix_confirmation_change_id ON confirmation (change_id);
CREATE INDEX ix_confirmation_run_id ON confirmation (run_id);
CREATE INDEX ix_confirmation_state ON confirmation (state);
CREATE INDEX ix_acceptance_series_key_id ON acceptance (series_key, id);
CREATE INDEX ix_acceptance_change_id ON acceptance (change_id);
CREATE INDEX ix_quarantine_test_id_variant_id ON quarantine (test_id, variant_id);
CREATE INDEX ix_quarantine_state ON quarantine (state);
CREATE INDEX ix_kernel_error_kernel_run_id ON kernel_error (kernel, run_id);
CREATE INDEX ix_series_noise_metric_environment_class ON series_noise (metric, environment_class);
CREATE INDEX ix_run_source_stamp_id ON run (source_stamp_id);
COMMIT;
