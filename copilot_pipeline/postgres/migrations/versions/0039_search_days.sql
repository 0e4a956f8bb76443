-- An exact index of days for searches, beside the one of ranges: of a common word only the newest days are read.
CREATE INDEX utterances_by_day ON copilot.utterances ((call_date - date '2000-01-01'));
