COMMENT ON TABLE copilot_ops.outbox IS 'Deliveries: a row is written before the request is sent.';
