"""URL to bytes: guarded, bounded, polite and retried.

`client.Fetcher` is the way in, `options.FetchOptions` its limits, `body.Body` what comes out.
Nothing is imported here, so that the pure modules (`address`, `url`) stay cheap to load.
"""
