"""What the OpenAPI document says of each route, by what the route is for."""
