"""GraphQL in the address of a request, which the webserver executes for GET and for every POST that is not JSON."""

from __future__ import annotations

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import QueryParams


def has_mutation(query_string: bytes) -> bool:
    """Return whether one of the documents in the address has an operation other than a query.

    All values of a repeated parameter count, and all operations of a document, whichever of them would be executed.
    What this parser refuses the webserver refuses as well: it uses the same one.
    """
    documents = [value for name, value in QueryParams(query_string).multi_items() if name == "query"]
    return any(_is_mutation(document) for document in documents)


def _is_mutation(document: str) -> bool:
    try:
        definitions = parse(document, no_location=True).definitions
    except GraphQLError:
        return False
    return any(
        isinstance(definition, OperationDefinitionNode) and definition.operation is not OperationType.QUERY
        for definition in definitions
    )
