CREATE TABLE copilot.bricks (
  kit text COLLATE "C" NOT NULL,
  brick text COLLATE "C" NOT NULL,
  position bigint NOT NULL,
  label text NOT NULL,
  question text,
  type text,
  scale_low double precision,
  scale_high double precision,
  PRIMARY KEY (kit, brick)
);
COMMENT ON TABLE copilot.bricks IS 'The bricks of the configured kits: label, question, type and scale, as Semarize''s schema of the kit has them.';
COMMENT ON COLUMN copilot.bricks.kit IS 'Name of the kit in pipeline.yaml.';
COMMENT ON COLUMN copilot.bricks.brick IS 'Name of the brick (`semarize_scores.brick`).';
COMMENT ON COLUMN copilot.bricks.position IS 'Position in the kit, from 0.';
COMMENT ON COLUMN copilot.bricks.label IS 'Name for people; made from the name of the brick if the schema has none.';
COMMENT ON COLUMN copilot.bricks.question IS 'What the brick asks; null if the schema does not say.';
COMMENT ON COLUMN copilot.bricks.type IS 'Type of its value as the schema names it: boolean, score, category, string_list, …';
COMMENT ON COLUMN copilot.bricks.scale_low IS 'Lowest score; null if the schema does not say.';
COMMENT ON COLUMN copilot.bricks.scale_high IS 'Highest score; null if the schema does not say.';
