-- name: rebuild
select feedback.rebuild_rollups() as rows;

-- name: wrong
-- Rows that are not what the facts add up to, both ways: in one snapshot.
with kept as (
    select release_id, listener_id, day, arm, version, style, made, drawn, failed, ratings, stars, squares, started, heard_ms,
           heard_ppm, skipped, completed
    from feedback.rollups
), facts as (
    select release_id, listener_id, day, arm, version, style, sum(made), sum(drawn), sum(failed), sum(ratings), sum(stars),
           sum(squares), sum(started), sum(heard_ms), sum(heard_ppm), sum(skipped), sum(completed)
    from feedback.rollup_rows group by release_id, listener_id, day, arm, version, style
), votes as (
    select release_id, listener_id, day, arm, baseline, won, lost, tied, both_bad from feedback.vote_rollups
), cast_votes as (
    select release_id, listener_id, day, arm, baseline, sum(won), sum(lost), sum(tied), sum(both_bad)
    from feedback.vote_rows group by release_id, listener_id, day, arm, baseline
), sums as (
    select release_id, listener_id, base_ratings, base_stars, base_squares, cold_ratings, cold_stars,
           cold_squares, champion_ratings, champion_stars, champion_squares, candidate_ratings, candidate_stars,
           candidate_squares, previous_ratings, previous_stars, previous_squares
    from feedback.rating_sums
    where (base_ratings, cold_ratings, champion_ratings, candidate_ratings, previous_ratings) <> (0, 0, 0, 0, 0)
), of_rollups as (
    select * from feedback.rating_sum_rows
)
select (select count(*) from (table kept except all table facts) x) + (select count(*) from (table facts except all table kept) x)
     + (select count(*) from (table votes except all table cast_votes) x)
     + (select count(*) from (table cast_votes except all table votes) x)
     + (select count(*) from (table sums except all table of_rollups) x)
     + (select count(*) from (table of_rollups except all table sums) x) as rows;
