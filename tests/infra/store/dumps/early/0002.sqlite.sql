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
	labelled_ns BIGINT, 
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
CREATE TABLE series_point (
	series_key VARCHAR(64) NOT NULL, 
	run_id INTEGER NOT NULL, 
	position BIGINT, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_series_point PRIMARY KEY (series_key, run_id), 
	CONSTRAINT fk_series_point_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE TABLE series_state (
	series_key VARCHAR(64) NOT NULL, 
	version BIGINT NOT NULL, 
	run_id INTEGER NOT NULL, 
	points BIGINT NOT NULL, 
	state JSON NOT NULL, 
	CONSTRAINT pk_series_state PRIMARY KEY (series_key), 
	CONSTRAINT fk_series_state_run_id_run FOREIGN KEY(run_id) REFERENCES run (id)
);
CREATE INDEX ix_series_point_series_key_position ON series_point (series_key, position);
CREATE INDEX ix_series_change_series_key_id ON series_change (series_key, id);
CREATE INDEX ix_series_change_noticed_run_id ON series_change (noticed_run_id);
CREATE INDEX ix_series_change_withdrawn_run_id ON series_change (withdrawn_run_id);
CREATE INDEX ix_series_change_cause ON series_change (cause);
