package Bellis::Given;

# What the environment of a worker says.

use strict;
use warnings;
use Exporter qw(import);

our @EXPORT_OK = qw(given number_given);

# A variable that is empty counts as not set.
sub given {
    my ($name) = @_;
    my $value = $ENV{$name} // '';
    return length $value ? $value : undef;
}

sub number_given {
    my ($name, $default) = @_;
    my $value = given($name) // return $default;
    die "$name=$value is not a number\n" if $value !~ /^\d{1,18}$/;
    return 0 + $value;
}

1;
