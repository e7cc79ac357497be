#!/usr/bin/escript
%%! -noinput +sbwt none +S 1 +A 1
%% SPDX-License-Identifier: MIT
%% Speaks HTTP with httpc and prints each response: client.erl METHOD URL

main([Name, Url]) ->
    {ok, _} = application:ensure_all_started(ssl),
    {ok, _} = application:ensure_all_started(inets),
    Method = list_to_atom(string:lowercase(Name)),
    Request = case Method of
        post -> {Url, [], "text/plain", "name=value"};
        _ -> {Url, []}
    end,
    Options = [{autoredirect, false}, {ssl, [{verify, verify_none}]}],
    lists:foreach(fun(_) -> ask(Method, Request, Options) end, [1, 2]).

ask(Method, Request, Options) ->
    case httpc:request(Method, Request, Options, []) of
        {ok, {{_, Status, _}, _, Body}} -> io:format("~b~n~s", [Status, Body]);
        {error, Reason} -> io:format("~p~n", [Reason]), halt(1)
    end.
