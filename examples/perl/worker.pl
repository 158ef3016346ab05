#!/usr/bin/perl
# A worker of Bellis in Perl. Put your own work into process().
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Bellis::Worker;
use Time::HiRes qw(sleep);

# In a process of its own. `block` has id, index, attempt, and the ROIs read and write: [offset, shape].
sub process {
    my ($block) = @_;
    sleep(($ENV{BELLIS_CONFORMANCE_MS} || 0) / 1000);
    if (my $size = $ENV{BELLIS_CONFORMANCE_ERROR_BYTES}) {
        die 'x' x $size;
    }
    my ($offset, $shape) = @{ $block->{write} };
    print "block $block->{id} writes at [@$offset], shape [@$shape]\n";
    return;
}

exit Bellis::Worker->run(\&process);
