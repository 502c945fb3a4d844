"""Who takes part in races: functions that set a contender up, by module."""
