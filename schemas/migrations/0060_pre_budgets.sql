-- What each principal has spent of what they may do. Unlogged: after a crash every budget is whole again.
create unlogged table gateway.budgets (
    owner   text        not null,                  -- kind:name of the principal, such as listener:0198...
    budget  text        not null,
    full_at timestamptz not null,                  -- when the bucket is full again; a row whose time is past says nothing
    primary key (owner, budget)
) with (fillfactor = 50);
