"""Tasks as calendars have them, by RFC 5545: the feed that is subscribed to. Start at `feed.CalendarFeed`."""
