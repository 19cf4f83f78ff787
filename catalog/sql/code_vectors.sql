-- What are the vectors of a model's codes, of whichever version, in no order?
-- $model: whose codes. `key` as in `search_codes.sql`.
select unhex(md5(code_id)) as key, embedding as vector from codes where model = $model and seen > 0
